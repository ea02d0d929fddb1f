// What was parsed from bytes that come with every call: the certificate of a connection, the public
// areas of a node. It saves parsing and nothing else: the key is all of the bytes, and what they
// are worth (standing, expiry, the record they belong to) is looked up and judged on every call.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lodekey::issuer {

// Thread-safe. Holds at most `capacity` values, and makes room by dropping the one that was not
// asked for longest. `T` is immutable and cheap to copy.
template <class T>
class ParsedCache {
 public:
  explicit ParsedCache(size_t capacity) : capacity_(capacity) {}

  std::optional<T> Find(std::string_view bytes) {
    const std::scoped_lock lock(mutex_);
    const auto found = by_bytes_.find(bytes);
    if (found == by_bytes_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->parsed;
  }

  // `parsed` must be what `bytes` parse to, and those the bytes of somebody who has proved to be a
  // node: what strangers send must not push out what nodes need.
  void Keep(std::string_view bytes, const T& parsed) {
    const std::scoped_lock lock(mutex_);
    if (capacity_ == 0 || by_bytes_.contains(bytes)) return;
    if (entries_.size() == capacity_) {
      by_bytes_.erase(entries_.back().bytes);
      entries_.pop_back();
    }
    entries_.push_front({.bytes = std::string(bytes), .parsed = parsed});
    by_bytes_.emplace(entries_.front().bytes, entries_.begin());
  }

  void Forget(std::string_view bytes) {
    const std::scoped_lock lock(mutex_);
    const auto found = by_bytes_.find(bytes);
    if (found == by_bytes_.end()) return;
    const auto entry = found->second;  // whose bytes are the key
    by_bytes_.erase(found);
    entries_.erase(entry);
  }

  size_t size() const {
    const std::scoped_lock lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::string bytes;
    T parsed;
  };

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last one asked for first
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_bytes_;
};

}  // namespace lodekey::issuer
