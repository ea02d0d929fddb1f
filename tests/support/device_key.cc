#include "tests/support/device_key.h"

#include <fmt/format.h>

#include "tests/support/must.h"

namespace lodekey::test {

DeviceKey::DeviceKey(const std::string& tcti, const std::string& auth,
                     const std::string& attribute) {
  const std::string parent = fmt::format("{:#x}", kParent);
  const std::string storage = directory_ / "parent.ctx";
  const std::string key = directory_ / "key.ctx";
  Run(tcti, {"tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", storage});
  Run(tcti, {"tpm2_evictcontrol", "-C", "o", "-c", storage, parent});
  Run(tcti, {"tpm2_flushcontext", "-t"});
  std::vector<std::string> create = {"tpm2_create",
                                     "-C",
                                     parent,
                                     "-G",
                                     "ecc256:ecdsa-sha256",
                                     "-u",
                                     public_path(),
                                     "-r",
                                     private_path(),
                                     "-a",
                                     "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"};
  if (!attribute.empty()) create.back() += "|" + attribute;
  if (!auth.empty()) create.insert(create.end(), {"-p", auth});
  Run(tcti, create);
  Run(tcti, {"tpm2_load", "-C", parent, "-u", public_path(), "-r", private_path(), "-c", key});
  Run(tcti, {"tpm2_evictcontrol", "-C", "o", "-c", key, fmt::format("{:#x}", kHandle)});
  Run(tcti, {"tpm2_flushcontext", "-t"});
  area_.emplace(Must(tpm::PublicArea::Parse(AsBytes(ReadText(public_path())))));
}

Bytes DeviceKey::private_blob() const { return ToBytes(AsBytes(ReadText(private_path()))); }

void DeviceKey::Run(const std::string& tcti, std::vector<std::string> command) const {
  command.insert(command.begin() + 1, {"-T", tcti});
  auto tool = Must(ChildProcess::Spawn(command, directory_ / "tools.log"));
  Must(tool.Wait());
}

}  // namespace lodekey::test
