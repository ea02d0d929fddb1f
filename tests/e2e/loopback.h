// TCP on loopback.
#pragma once

#include <string>

#include "tests/support/unix_socket.h"

namespace lodekey::test {

struct Listener {
  Fd fd;
  int port = 0;
};

// Listens on a free port of 127.0.0.1. Throws when that fails.
Listener ListenOnLoopback();

// Connects to `port` of 127.0.0.1 from the address `source`; a negative descriptor when nothing
// listens there.
Fd ConnectOnLoopback(const std::string& source, int port);

// A port that nothing listened at a moment ago.
int FreePort();

}  // namespace lodekey::test
