#include "harness/trace/recorder.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <memory>
#include <system_error>
#include <utility>

#include "harness/trace/range.hpp"

#if ASHLAR_HAVE_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace ashlar::trace {

namespace {

/// Never deleted: threads may mark ranges until the very end of the process.
Spill* the_spill = nullptr;

#if ASHLAR_HAVE_NVTX

/// This thread's lane. Ended with the thread; ranges that come even later are not recorded.
class OwnLane {
 public:
  ~OwnLane() {
    over_ = true;
    lane_.reset();
  }
  SpillLane* get() {
    static std::atomic<std::uint64_t> serial{0};
    if (!lane_ && !over_) lane_ = std::make_unique<SpillLane>(*the_spill, serial++);
    return lane_.get();
  }

 private:
  std::unique_ptr<SpillLane> lane_;
  bool over_ = false;
};

thread_local OwnLane own_lane;

SpillLane* lane() { return own_lane.get(); }

/// Numbers of domains by name: two libraries that create "ashlar" share it. Number 0 is the default
/// domain, and a handle is its number as a pointer.
class Domains {
 public:
  std::uint16_t find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return static_cast<std::uint16_t>(i + 1);
    }
    constexpr std::size_t kMost = 1000;
    if (names_.size() == kMost) return 0;
    names_.push_back(name);
    const auto number = static_cast<std::uint16_t>(names_.size());
    if (SpillLane* own = lane()) own->write(EventKind::domain, number, 0, name);
    return number;
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> names_;
};

Domains& domains() {
  static auto* const all = new Domains;
  return *all;
}

std::uint16_t number_of(nvtxDomainHandle_t domain) {
  return static_cast<std::uint16_t>(reinterpret_cast<std::uintptr_t>(domain));
}

/// UTF-8 of UTF-32, which wchar_t is on Linux.
std::string narrow(const wchar_t* text) {
  std::string utf8;
  for (; text != nullptr && *text != 0; ++text) {
    const auto c = static_cast<char32_t>(*text);
    const auto tail = [&](int shift) { utf8 += static_cast<char>(0x80U | (c >> shift & 0x3fU)); };
    if (c < 0x80) {
      utf8 += static_cast<char>(c);
    } else if (c < 0x800) {
      utf8 += static_cast<char>(0xc0U | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      utf8 += static_cast<char>(0xe0U | c >> 12);
      tail(6);
      tail(0);
    } else {
      utf8 += static_cast<char>(0xf0U | (c >> 18 & 7U));
      tail(12);
      tail(6);
      tail(0);
    }
  }
  return utf8;
}

/// A registered string is remembered for good; its handle is its address.
nvtxStringHandle_t remember(std::string text) {
  static std::mutex mutex;
  static auto* const all = new std::deque<std::string>;
  const std::lock_guard lock(mutex);
  return reinterpret_cast<nvtxStringHandle_t>(&all->emplace_back(std::move(text)));
}

/// Calls visit(name, payload) with what an event says.
template <class Visit>
void with_attributes(const nvtxEventAttributes_t* event, const Visit& visit) {
  std::optional<std::int64_t> payload;
  if (event == nullptr) return visit(std::string_view(), payload);
  if (event->payloadType == NVTX_PAYLOAD_TYPE_INT64) payload = event->payload.llValue;
  if (event->payloadType == NVTX_PAYLOAD_TYPE_UNSIGNED_INT64)
    payload = static_cast<std::int64_t>(event->payload.ullValue);
  if (event->payloadType == NVTX_PAYLOAD_TYPE_INT32) payload = event->payload.iValue;
  if (event->payloadType == NVTX_PAYLOAD_TYPE_UNSIGNED_INT32) payload = event->payload.uiValue;
  switch (event->messageType) {
    case NVTX_MESSAGE_TYPE_ASCII:
      return visit(std::string_view(event->message.ascii != nullptr ? event->message.ascii : ""),
                   payload);
    case NVTX_MESSAGE_TYPE_UNICODE:
      return visit(std::string_view(narrow(event->message.unicode)), payload);
    case NVTX_MESSAGE_TYPE_REGISTERED:
      if (event->message.registered != nullptr) {
        return visit(
            std::string_view(*reinterpret_cast<const std::string*>(event->message.registered)),
            payload);
      }
      break;
    default:
      break;
  }
  visit(std::string_view(), payload);
}

int push_named(std::uint16_t domain, std::string_view name, std::optional<std::int64_t> payload) {
  SpillLane* const own = lane();
  return own != nullptr ? own->push(domain, name, payload) : -1;
}

std::uint64_t start_named(std::uint16_t domain, std::string_view name) {
  static std::atomic<std::uint64_t> next{1};
  const std::uint64_t id = next++;
  if (SpillLane* own = lane()) own->write(EventKind::start, domain, id, name);
  return id;
}

void write_named(EventKind kind, std::uint16_t domain, std::uint64_t value, std::string_view name) {
  if (SpillLane* own = lane()) own->write(kind, domain, value, name);
}

std::string_view text_of(const char* text) { return text != nullptr ? text : ""; }

// The callbacks, by NVTX's names.

int push_ex(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* event) {
  int level = -1;
  with_attributes(event, [&](std::string_view name, std::optional<std::int64_t> payload) {
    level = push_named(number_of(domain), name, payload);
  });
  return level;
}
int pop_in(nvtxDomainHandle_t domain) {
  SpillLane* const own = lane();
  return own != nullptr ? own->pop(number_of(domain)) : -1;
}
nvtxRangeId_t start_ex(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* event) {
  std::uint64_t id = 0;
  with_attributes(event, [&](std::string_view name, std::optional<std::int64_t>) {
    id = start_named(number_of(domain), name);
  });
  return id;
}
void end_in(nvtxDomainHandle_t domain, nvtxRangeId_t id) {
  write_named(EventKind::finish, number_of(domain), id, "");
}
void mark_ex(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* event) {
  with_attributes(event, [&](std::string_view name, std::optional<std::int64_t>) {
    write_named(EventKind::mark, number_of(domain), 0, name);
  });
}
nvtxDomainHandle_t create_domain(const std::string& name) {
  return reinterpret_cast<nvtxDomainHandle_t>(static_cast<std::uintptr_t>(domains().find(name)));
}
void name_thread(std::uint32_t id, std::string_view name) {
  // Only a thread that names itself: the lane of another is not at hand.
  if (id == static_cast<std::uint32_t>(gettid())) write_named(EventKind::thread_name, 0, 0, name);
}

template <class Function>
void attach(NvtxFunctionTable table, unsigned size, unsigned index, Function function) {
  if (index < size && table[index] != nullptr)
    *table[index] = reinterpret_cast<NvtxFunctionPointer>(function);
}

void attach_core(NvtxFunctionTable table, unsigned size) {
  const auto set = [&](unsigned index, auto function) { attach(table, size, index, function); };
  set(
      NVTX_CBID_CORE_MarkEx, +[](const nvtxEventAttributes_t* e) { mark_ex(nullptr, e); });
  set(
      NVTX_CBID_CORE_MarkA, +[](const char* m) { write_named(EventKind::mark, 0, 0, text_of(m)); });
  set(
      NVTX_CBID_CORE_MarkW,
      +[](const wchar_t* m) { write_named(EventKind::mark, 0, 0, narrow(m)); });
  set(
      NVTX_CBID_CORE_RangeStartEx,
      +[](const nvtxEventAttributes_t* e) { return start_ex(nullptr, e); });
  set(
      NVTX_CBID_CORE_RangeStartA,
      +[](const char* m) -> nvtxRangeId_t { return start_named(0, text_of(m)); });
  set(
      NVTX_CBID_CORE_RangeStartW,
      +[](const wchar_t* m) -> nvtxRangeId_t { return start_named(0, narrow(m)); });
  set(
      NVTX_CBID_CORE_RangeEnd, +[](nvtxRangeId_t id) { end_in(nullptr, id); });
  set(
      NVTX_CBID_CORE_RangePushEx,
      +[](const nvtxEventAttributes_t* e) { return push_ex(nullptr, e); });
  set(
      NVTX_CBID_CORE_RangePushA, +[](const char* m) { return push_named(0, text_of(m), {}); });
  set(
      NVTX_CBID_CORE_RangePushW, +[](const wchar_t* m) { return push_named(0, narrow(m), {}); });
  set(
      NVTX_CBID_CORE_RangePop, +[] { return pop_in(nullptr); });
  set(
      NVTX_CBID_CORE_NameOsThreadA,
      +[](std::uint32_t id, const char* name) { name_thread(id, text_of(name)); });
  set(
      NVTX_CBID_CORE_NameOsThreadW,
      +[](std::uint32_t id, const wchar_t* name) { name_thread(id, narrow(name)); });
}

void attach_domains(NvtxFunctionTable table, unsigned size) {
  const auto set = [&](unsigned index, auto function) { attach(table, size, index, function); };
  set(NVTX_CBID_CORE2_DomainMarkEx, &mark_ex);
  set(NVTX_CBID_CORE2_DomainRangeStartEx, &start_ex);
  set(NVTX_CBID_CORE2_DomainRangeEnd, &end_in);
  set(NVTX_CBID_CORE2_DomainRangePushEx, &push_ex);
  set(NVTX_CBID_CORE2_DomainRangePop, &pop_in);
  set(
      NVTX_CBID_CORE2_DomainRegisterStringA,
      +[](nvtxDomainHandle_t, const char* text) { return remember(text != nullptr ? text : ""); });
  set(
      NVTX_CBID_CORE2_DomainRegisterStringW,
      +[](nvtxDomainHandle_t, const wchar_t* text) { return remember(narrow(text)); });
  set(
      NVTX_CBID_CORE2_DomainCreateA,
      +[](const char* name) { return create_domain(std::string(text_of(name))); });
  set(
      NVTX_CBID_CORE2_DomainCreateW,
      +[](const wchar_t* name) { return create_domain(narrow(name)); });
}

/// What NVTX calls at the first range: 1 when this tool takes them.
int initialize(NvtxGetExportTableFunc_t get_table) {
  const auto* const callbacks =
      static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS));
  if (callbacks == nullptr || the_spill == nullptr) return 0;
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size) != 0)
    attach_core(table, size);
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) != 0)
    attach_domains(table, size);
  return 1;
}

#endif

}  // namespace

std::optional<std::string> why_not_recording() {
  if (!ranges_built()) {
    return "this program was built without the NVTX headers; get them (ci/setup does), configure "
           "and build again";
  }
  if (const char* tool = std::getenv("NVTX_INJECTION64_PATH"); tool != nullptr && *tool != '\0') {
    return "NVTX_INJECTION64_PATH is set, so another tool takes the ranges; unset it, or leave "
           "--trace out";
  }
  return std::nullopt;
}

bool recording() { return the_spill != nullptr; }

void record_ranges(const std::filesystem::path& folder, Role role) {
  if (recording() || !ranges_built()) return;
  // Process numbers come back in a long run.
  for (int again = 0; the_spill == nullptr; ++again) {
    const auto path = folder / (std::to_string(getpid()) + "-" + std::to_string(again) + ".ranges");
    try {
      the_spill = new Spill(path, role);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::file_exists) throw;
    }
  }
#if ASHLAR_HAVE_NVTX
  // NVTX's loader declares it; injection.cpp defines it.
  InitializeInjectionNvtx2_fnptr = &initialize;
#endif
}

void record_ranges_if_asked() {
  const char* const folder = std::getenv(kFolderVariable);
  if (folder != nullptr && *folder != '\0') record_ranges(folder, Role::worker);
}

}  // namespace ashlar::trace
