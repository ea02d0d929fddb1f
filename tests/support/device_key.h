// A device's own signing key (an LDevID's, or an IDevID's) as its maker leaves it: made with
// tpm2-tools under a persistent storage key, persistent itself, and kept as files too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "tests/support/swtpm.h"
#include "tpm/public_area.h"

namespace lodekey::test {

class DeviceKey {
 public:
  static constexpr TPM2_HANDLE kParent = 0x81000001;
  static constexpr TPM2_HANDLE kHandle = 0x81020000;

  // In the chip behind `tcti`, which nobody else uses meanwhile unless it takes many. Throws when
  // tpm2-tools fail, with their log. `auth`: the key's authorisation value. `attribute`: one more,
  // as tpm2-tools name it.
  explicit DeviceKey(const std::string& tcti, const std::string& auth = "",
                     const std::string& attribute = "");

  const tpm::PublicArea& area() const { return *area_; }
  Bytes private_blob() const;
  std::string public_path() const { return directory_ / "key.pub"; }
  std::string private_path() const { return directory_ / "key.priv"; }

 private:
  void Run(const std::string& tcti, std::vector<std::string> command) const;

  TempDir directory_;
  std::optional<tpm::PublicArea> area_;
};

}  // namespace lodekey::test
