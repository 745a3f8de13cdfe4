#include "services/control/journal.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kReadAtOnce = 1000;

Result<std::vector<Journal::Entry>> to_entries(const std::vector<JournalRecord>& records) {
  std::vector<Journal::Entry> entries;
  for (const auto& record : records) entries.push_back({record.number, TRY(decode_event(record.body))});
  return entries;
}

}  // namespace

Result<Journal> Journal::open(EventStore& store) {
  Journal journal(store);
  while (true) {
    auto records = TRY(store.read_after(journal.replayed_.head.number, kReadAtOnce));
    if (records.empty()) return journal;
    TRY(replay(journal.replayed_, records));
  }
}

Result<std::vector<Event>> Journal::execute(const Command& command, WallTime now) {
  auto events = TRY(decide(replayed_.lifecycle, command, now));
  if (events.empty()) return events;
  auto head = replayed_.head;
  std::vector<JournalRecord> records;
  for (const auto& event : events) records.push_back(chain(head, encode(event)));
  TRY(store_->append(records));
  replayed_.head = head;
  for (const auto& event : events) apply(replayed_.lifecycle, event);
  return events;
}

Result<bool> Journal::is_in_step() const {
  auto records = TRY(store_->read_last(1));
  return (records.empty() ? 0 : records.back().number) == replayed_.head.number;
}

Result<std::vector<Journal::Entry>> Journal::last(std::size_t limit) const {
  auto records = TRY(store_->read_last(limit));
  return to_entries(records);
}

Result<std::vector<Journal::Entry>> Journal::after(std::uint64_t number, std::size_t limit) const {
  auto records = TRY(store_->read_after(number, limit));
  return to_entries(records);
}

}  // namespace oxbow
