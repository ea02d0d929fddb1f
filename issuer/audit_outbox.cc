#include "issuer/audit_outbox.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey::issuer {
namespace {

std::unexpected<Error> Corrupt(std::string text) {
  return Fail(Code::kUntrusted, std::move(text),
              {.name = "database-corrupt", .advice = "Restore the database from a backup."});
}

std::unexpected<Error> Forked(const crypto::ChainHead& file, const crypto::ChainHead& database) {
  return Fail(Code::kUntrusted,
              fmt::format("the audit log (line {}) and the database (line {}) disagree", file.seq,
                          database.seq),
              {.name = "audit-forked",
               .advice = "One of the two was restored or replaced without the other: restore both "
                         "from the same backup, and keep the present log as evidence."});
}

std::unexpected<Error> Truncated(const crypto::ChainHead& file, const crypto::ChainHead& durable) {
  return Fail(
      Code::kUntrusted,
      fmt::format("the audit log ends at line {}, but line {} had been written", file.seq,
                  durable.seq),
      {.name = "audit-truncated",
       .advice = "Find out who shortened or replaced the log, and restore it from a copy."});
}

Result<crypto::ChainHead> ReadMark(Database& database, std::string_view name) {
  ASSIGN_OR_RETURN(Query query,
                   database.Prepare("SELECT seq, hash FROM audit_mark WHERE name = ?1", name),
                   "prepare");
  ASSIGN_OR_RETURN(const bool found, query.Step(), "read");
  if (!found) return Corrupt(fmt::format("the audit mark {} is missing", name));
  crypto::ChainHead mark;
  ASSIGN_OR_RETURN(mark.seq, query.Unsigned(0), "read the number");
  ASSIGN_OR_RETURN(const Bytes hash, query.Blob(1, mark.hash.size()), "read the hash");
  if (hash.size() != mark.hash.size()) return Corrupt("an audit mark's hash is too short");
  std::ranges::copy(hash, mark.hash.begin());
  return mark;
}

Result<void> WriteMark(Database& database, std::string_view name, const crypto::ChainHead& mark) {
  return database.Run("UPDATE audit_mark SET seq = ?2, hash = ?3 WHERE name = ?1", name, mark.seq,
                      mark.hash);
}

// Whether both say the same of a line that both have.
bool Agree(const crypto::ChainHead& a, const crypto::ChainHead& b) {
  return a.seq != b.seq || a.hash == b.hash;
}

Result<crypto::ChainHead> CheckContinues(const crypto::ChainHead& previous, std::string_view line,
                                         const crypto::Ed25519PublicKey& key) {
  if (!line.ends_with('\n')) return Corrupt("a kept audit line is not ended");
  auto parsed = crypto::ParseChainLine(line.substr(0, line.size() - 1), key);
  if (!parsed) return Corrupt(fmt::format("a kept audit line: {}", parsed.error().text));
  if (parsed->head.seq != previous.seq + 1 || parsed->prev != previous.hash) {
    return Corrupt(
        fmt::format("kept audit line {} does not follow line {}", parsed->head.seq, previous.seq));
  }
  return parsed->head;
}

}  // namespace

Result<AuditMarks> AuditOutbox::ReadMarks() {
  AuditMarks marks;
  ASSIGN_OR_RETURN(marks.head, ReadMark(database_, "head"), "read the head");
  ASSIGN_OR_RETURN(marks.durable, ReadMark(database_, "durable"), "read the durable mark");
  return marks;
}

Result<void> AuditOutbox::StoreMarks(const AuditMarks& marks) {
  RETURN_IF_ERROR(WriteMark(database_, "head", marks.head), "keep the head");
  RETURN_IF_ERROR(WriteMark(database_, "durable", marks.durable), "keep the durable mark");
  return database_.Run("DELETE FROM audit_outbox WHERE seq <= ?1", marks.durable.seq);
}

Result<void> AuditOutbox::Put(uint64_t seq, std::string_view line) {
  return database_.Run("INSERT INTO audit_outbox VALUES (?1, ?2)", seq, line);
}

Result<std::string> AuditOutbox::LinesAfter(const crypto::ChainHead& file,
                                            const crypto::Ed25519PublicKey& key) {
  ASSIGN_OR_RETURN(const AuditMarks marks, ReadMarks(), "read the marks");
  if (file.seq < marks.durable.seq) return Truncated(file, marks.durable);
  if (file.seq > marks.head.seq || !Agree(file, marks.durable)) return Forked(file, marks.head);

  ASSIGN_OR_RETURN(Query query,
                   database_.Prepare("SELECT line FROM audit_outbox WHERE seq > ?1 ORDER BY seq",
                                     marks.durable.seq),
                   "list the kept lines");
  std::string missing;
  crypto::ChainHead head = marks.durable;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step(), "read the kept lines");
    if (!found) break;
    ASSIGN_OR_RETURN(const std::string line, query.Text(0, crypto::kMaxChainLine + 1),
                     "read a line");
    ASSIGN_OR_RETURN(head, CheckContinues(head, line, key), "follow the chain");
    if (!Agree(file, head)) return Forked(file, marks.head);
    if (head.seq > file.seq) missing += line;
  }
  if (head != marks.head) return Corrupt("the kept audit lines do not lead to the chain's head");
  return missing;
}

}  // namespace lodekey::issuer
