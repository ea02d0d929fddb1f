// lodekey-test-connect FD PATH: connects the inherited socket FD to PATH and stands still. What a
// workload is that is executed before it connects: copied, deleted, mounted elsewhere, setuid.
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, argv[2], sizeof(address.sun_path) - 1);
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(std::atoi(argv[1]), plain, sizeof(address)) != 0) return 1;
  for (;;) ::pause();
}
