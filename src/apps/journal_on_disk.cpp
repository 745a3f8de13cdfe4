#include "apps/journal_on_disk.hpp"

#include "adapters/sqlite/sqlite_store.hpp"
#include "services/control/journal.hpp"

namespace oxbow {

Result<std::optional<Lifecycle>> lifecycle_on_disk(const Settings& settings) {
  if (!SqliteStore::exists(settings.store_path())) return std::nullopt;
  auto store = TRY(SqliteStore::open_to_read(settings.store_path()));
  auto journal = TRY(Journal::open(*store));
  return journal.lifecycle();
}

}  // namespace oxbow
