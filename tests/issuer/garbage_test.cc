// Bytes that are no message, and messages whose bytes were damaged: refused, and nothing else
// happens.
#include <random>

#include <gtest/gtest.h>

#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

class Garbage : public EnrollerTest {};

class Noise {
 public:
  std::string Text(size_t max) {
    std::string text(std::uniform_int_distribution<size_t>(0, max)(random_), '\0');
    for (char& byte : text) byte = static_cast<char>(random_());
    return text;
  }
  // One byte of `text` changed, or the end cut off, or bytes added.
  std::string Damaged(std::string text) {
    if (text.empty()) return Text(40);
    const size_t at = std::uniform_int_distribution<size_t>(0, text.size() - 1)(random_);
    switch (random_() % 3) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ static_cast<char>(1 + random_() % 255));
        break;
      case 1: text.resize(at); break;
      default: text += Text(40);
    }
    return text;
  }

 private:
  std::mt19937 random_{20260131};
};

TEST_F(Garbage, IsRefusedAtStart) {
  Host host;
  Allow(host);
  const std::string honest = host.Start().SerializeAsString();
  Noise noise;
  for (int i = 0; i < 2000; ++i) {
    node::StartEnrolmentRequest request;
    if (i % 2 == 0) {
      if (!request.ParseFromString(noise.Damaged(honest))) continue;
    } else {
      request.add_endorsement_keys()->set_public_(noise.Text(200));
      request.mutable_endorsement_keys(0)->set_certificate(noise.Text(200));
      request.set_ak_public(noise.Text(200));
      request.set_node_key_public(noise.Text(200));
    }
    EXPECT_NE(Answer(issuer.Start(request)), "");
  }
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(Garbage, IsRefusedAtFinish) {
  Host host;
  Allow(host);
  Noise noise;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    const auto started = Must(issuer.Start(host.Start()));
    const auto honest = Must(host.Finish(started));
    node::FinishEnrolmentRequest request;
    if (!request.ParseFromString(noise.Damaged(honest.SerializeAsString()))) continue;
    // What is sealed is never accepted damaged; with it whole, the rest is looked at.
    if (i % 2 == 0) request.set_sealed_state(honest.sealed_state());
    const std::string answer = Answer(issuer.Finish(request));
    EXPECT_NE(answer, "OUTCOME_UNSPECIFIED");
    refused += answer == "ACCEPTED" ? 0 : 1;
  }
  EXPECT_GT(refused, 10);
  for (int i = 0; i < 500; ++i) {
    node::FinishEnrolmentRequest request;
    request.set_sealed_state(noise.Text(400));
    request.set_activation_secret(noise.Text(40));
    EXPECT_EQ(Answer(issuer.Finish(request)), "challenge-invalid");
  }
}

TEST_F(Garbage, IsRefusedAtAttest) {
  Host host;
  issuer.Admit(host);
  Noise noise;
  for (int i = 0; i < 300; ++i) {
    node::AttestRequest request;
    if (!request.ParseFromString(noise.Damaged(host.Attest().SerializeAsString()))) continue;
    const auto attested = issuer.Attest(host.certificate(), request);
    if (attested) host.Take(*attested);
    EXPECT_NE(Answer(attested), "");
    // A quote that is not damaged may be told as a clone's second one; nothing else may cost the
    // standing.
    if (issuer.Record(host).standing == issuer::Standing::kQuarantined) {
      Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
      EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
    }
    EXPECT_EQ(issuer.Record(host).standing, issuer::Standing::kActive) << i;
  }
}

}  // namespace
}  // namespace lodekey::test
