#include "tests/agent/fuse_program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string_view>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace lodekey::test {
namespace {

constexpr uint64_t kProgram = 2;  // beside FUSE_ROOT_ID

// Nothing may be kept: each look at the file is a question.
class Server {
 public:
  Server(int fuse, const std::string& content) : fuse_(fuse), content_(content) {}

  void Run() {
    std::vector<char> buffer(size_t{1} << 18);
    for (;;) {
      const ssize_t size = ::read(fuse_, buffer.data(), buffer.size());
      if (size < 0 && (errno == EINTR || errno == ENOENT)) continue;
      if (size < 0) return;
      fuse_in_header header;
      std::memcpy(&header, buffer.data(), sizeof(header));
      Serve(header, buffer.data() + sizeof(header));
    }
  }

 private:
  void Serve(const fuse_in_header& header, const char* body) {
    switch (header.opcode) {
      case FUSE_INIT: {
        fuse_init_out init = {};
        init.major = FUSE_KERNEL_VERSION;
        init.minor = 31;
        init.max_write = 4096;
        return Answer(header, init);
      }
      case FUSE_LOOKUP: {
        if (std::string_view(body) != "program") return Refuse(header, ENOENT);
        fuse_entry_out entry = {};
        entry.nodeid = kProgram;
        entry.attr = Attributes(kProgram);
        return Answer(header, entry);
      }
      case FUSE_GETATTR: {
        fuse_attr_out attributes = {};
        attributes.attr = Attributes(header.nodeid);
        return Answer(header, attributes);
      }
      case FUSE_OPEN: return Answer(header, fuse_open_out{});
      case FUSE_READ: {
        fuse_read_in read;
        std::memcpy(&read, body, sizeof(read));
        const size_t offset = std::min<size_t>(read.offset, content_.size());
        const std::string part = content_.substr(offset, read.size);
        return Reply(header, 0, part.data(), part.size());
      }
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT: return;
      default: return Refuse(header, ENOSYS);
    }
  }

  fuse_attr Attributes(uint64_t node) const {
    fuse_attr attributes = {};
    attributes.ino = node;
    attributes.size = node == kProgram ? content_.size() : 0;
    attributes.mode = node == kProgram ? S_IFREG | 0755 : S_IFDIR | 0755;
    attributes.nlink = 1;
    attributes.blksize = 4096;
    return attributes;
  }

  template <class Body>
  void Answer(const fuse_in_header& header, const Body& body) {
    Reply(header, 0, &body, sizeof(body));
  }
  void Refuse(const fuse_in_header& header, int number) { Reply(header, -number, nullptr, 0); }
  void Reply(const fuse_in_header& header, int error, const void* body, size_t size) {
    fuse_out_header out = {
        .len = static_cast<uint32_t>(sizeof(out) + size), .error = error, .unique = header.unique};
    const std::array<iovec, 2> parts = {
        iovec{.iov_base = &out, .iov_len = sizeof(out)},
        iovec{.iov_base = const_cast<void*>(body), .iov_len = size}};
    // Who asked may have gone.
    static_cast<void>(::writev(fuse_, parts.data(), size == 0 ? 1 : 2));
  }

  int fuse_;
  const std::string& content_;
};

}  // namespace

pid_t ServeFuseProgram(const std::string& directory, const std::string& content, uid_t uid) {
  const int fuse = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  const std::string options = fmt::format("fd={},rootmode=40000,user_id={},group_id={}{}", fuse,
                                          uid, uid, uid == 0 ? ",allow_other" : "");
  if (fuse < 0 || ::mount("test", directory.c_str(), "fuse", 0, options.c_str()) != 0) return 0;
  const pid_t parent = ::getpid();
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) Server(fuse, content).Run();
    ::_exit(0);
  }
  ::close(fuse);
  return server;
}

}  // namespace lodekey::test
