// Many programs at one swtpm, as at /dev/tpmrm0: swtpm serves one connection at a time. Forwards
// whole commands, one at a time. Handles and sessions are not virtualised: programs share the TPM's
// few slots and must flush what they made.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "tests/support/unix_socket.h"

namespace lodekey::test {

class TpmMux {
 public:
  // Listens on `path` and `path`.ctrl and serves in a thread of its own until destruction.
  // `upstream` is swtpm's data socket; it is connected to anew for each command, so that swtpm may
  // be restarted meanwhile.
  static Result<std::unique_ptr<TpmMux>> Start(const std::string& upstream,
                                               const std::string& path);
  ~TpmMux();
  TpmMux(const TpmMux&) = delete;
  TpmMux& operator=(const TpmMux&) = delete;

  std::string tcti() const { return "swtpm:path=" + path_; }

 private:
  struct Client {
    Fd fd;
    bool control = false;
    Bytes inbox = {};
  };

  TpmMux(std::string upstream, std::string path, Fd server, Fd control, Fd stop);
  void Serve();
  void Accept(const Fd& listener, bool control);
  // False when the client is to be dropped.
  bool Read(Client& client) const;
  bool AnswerCommands(Client& client) const;
  static bool AnswerControl(Client& client);

  std::string upstream_;
  std::string path_;
  Fd server_;
  Fd control_;
  Fd stop_;
  std::list<Client> clients_;
  std::thread thread_;
};

}  // namespace lodekey::test
