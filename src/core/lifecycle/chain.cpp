#include "core/lifecycle/chain.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <utility>

#include "base/assert.hpp"

namespace oxbow {

std::string chain_hash(std::string_view previous_hash, std::string_view body) {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  bool done = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
              EVP_DigestUpdate(context.get(), previous_hash.data(), previous_hash.size()) == 1 &&
              EVP_DigestUpdate(context.get(), body.data(), body.size()) == 1 &&
              EVP_DigestFinal_ex(context.get(), digest.data(), &length) == 1;
  OXBOW_ASSERT(done && length == digest.size(), "SHA-256 is not available in this OpenSSL");
  std::string hex;
  for (auto byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

JournalRecord chain(ChainHead& head, std::string body) {
  JournalRecord record;
  record.number = head.number + 1;
  record.previous_hash = head.hash;
  record.hash = chain_hash(head.hash, body);
  record.body = std::move(body);
  head = {record.number, record.hash};
  return record;
}

Status verify_chain(ChainHead& head, const std::vector<JournalRecord>& records) {
  for (const auto& record : records) {
    if (record.number != head.number + 1) {
      return Err(ErrorCode::store_corrupt,
                 "record {} of the journal is missing (record {} follows record {})", head.number + 1,
                 record.number, head.number);
    }
    if (record.previous_hash != head.hash || record.hash != chain_hash(head.hash, record.body)) {
      return Err(
          ErrorCode::store_corrupt,
          "record {} of the journal does not follow from the one before: it, or one before it, was changed",
          record.number);
    }
    head = {record.number, record.hash};
  }
  return {};
}

}  // namespace oxbow
