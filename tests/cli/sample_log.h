// An audit log for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash_chain.h"
#include "tests/support/must.h"

namespace lodekey::cli {

inline const crypto::Ed25519Key& AuditKey() {
  static const crypto::Ed25519Key key =
      test::Must(crypto::Ed25519Key::FromSeed(crypto::Secret::Copy(Bytes(32, 7))));
  return key;
}

// With its head after each line.
struct Log {
  std::vector<std::string> lines;
  std::vector<crypto::ChainHead> heads;

  void Add(std::string_view record) {
    crypto::ChainHead head = heads.empty() ? crypto::ChainHead() : heads.back();
    lines.push_back(crypto::FormatChainLine(head, record, AuditKey(), head));
    heads.push_back(head);
  }
  std::string Text() const {
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
  }
};

}  // namespace lodekey::cli
