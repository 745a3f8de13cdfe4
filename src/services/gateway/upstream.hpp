// The connections to the services of one side: which address is tried, which is left alone for a while, and
// which connections wait to be used again. Belongs to one thread, but for what is marked.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "services/gateway/deadlines.hpp"
#include "services/gateway/message_reader.hpp"

namespace oxbow {

struct UpstreamLimits {
  Duration connect_time_max = std::chrono::seconds(2);
  Duration answer_time_max = std::chrono::seconds(60);  // until the head of the answer
  Duration body_time_max = std::chrono::seconds(60);    // without a byte, in either direction
  std::size_t idle_connections_max = 256;               // kept, per address
  int failures_max = 5;                                 // until an address is left alone
  bool is_needed = true;  // answers that fail take no address away but for another that does better
  Duration left_alone_max = std::chrono::seconds(30);
  std::string_view user = "users";  // who leaves it alone, for the log
  std::string health_path;          // empty: addresses are judged by their answers alone
  Duration health_every = std::chrono::seconds(5);
};

// A connection to a service, for one request at a time.
class UpstreamConnection {
 public:
  UpstreamConnection(std::unique_ptr<ByteStream> stream, const UpstreamLimits& limits, Deadlines& deadlines);

  Task<void> send(std::string_view bytes);

  // Before another request.
  void renew() { has_answered_ = false; }

  // Between these two a request is on its way from a client, and no answer to it can be late.
  void begin_upload();
  void end_upload();

  // What can be sent without waiting; returns the rest.
  std::string_view send_now(std::string_view bytes);

  // The head of the next answer, interim ones included, and the framing of its body. `timeout`, or
  // `connection_lost`, or `malformed`.
  Task<void> read_head(std::string_view method);
  const ResponseHead& head() const { return head_; }
  std::string_view head_bytes() const { return head_bytes_; }
  const http1::Framing& framing() const { return reader_.framing(); }
  bool has_answered() const { return has_answered_; }  // with any byte, to the present request

  Task<BodyPart> read_body();
  Result<std::optional<BodyPart>> body_now() { return reader_.body_now(); }
  const HeaderFields& trailers() const { return reader_.trailers(); }
  std::string_view unread() const { return reader_.unread(); }

  // Behind an answer. Whether it can carry another request.
  bool is_reusable() const;

  bool was_used() const { return answers_ > 0; }
  ByteStream& stream() { return *stream_; }
  void close() { stream_->close(false); }

 private:
  std::unique_ptr<ByteStream> stream_;
  const UpstreamLimits& limits_;
  Deadline sending_;
  Deadline reading_;
  bool is_uploading_ = false;
  bool is_waiting_ = false;  // for a head
  MessageReader reader_;
  std::string_view head_bytes_;
  ResponseHead head_;
  std::uint64_t answers_ = 0;
  bool has_answered_ = false;
};

class Upstream {
 public:
  Upstream(Dialer& dialer, Deadlines& deadlines, std::vector<ServiceAddress> addresses,
           UpstreamLimits limits);
  ~Upstream();

  struct Address;

  // A connection that is given back when the lease ends; closed unless keep() was called.
  class Lease {
   public:
    Lease(Upstream& upstream, Address& address, std::unique_ptr<UpstreamConnection> connection);
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    UpstreamConnection* operator->() const { return connection_.get(); }
    UpstreamConnection& operator*() const { return *connection_; }

    void keep();       // for another request, if it can carry one
    void succeeded();  // the address answers
    void failed();     // it took the connection, and did not

   private:
    Upstream* upstream_;
    Address* address_;
    std::unique_ptr<UpstreamConnection> connection_;
    bool kept_ = false;
  };

  // A connection that waits to be used again; it may be dead already.
  std::optional<Lease> take_idle();

  // `unreachable` if no address takes connections; `timeout` if that takes too long.
  Task<Lease> connect();

  bool is_available() const;  // some address may be asked

  // Requests that are asked just now. Any thread.
  int under_way() const { return under_way_.load(std::memory_order_relaxed); }

  // All of them. Any thread.
  struct AddressState {
    std::string address;
    bool is_left_alone;  // now
    bool is_failing;     // it failed several times and has not answered since, or its health answers are bad
  };
  std::vector<AddressState> addresses() const;

  // Whoever fails at one address may be served at another.
  bool has_others() const { return addresses_.size() > 1; }

  // Asks every address for its health until cancelled. Ends at once where none is to be asked.
  Task<void> watch_health();

 private:
  Task<std::unique_ptr<UpstreamConnection>> dial(Address& address);
  Address* choose(std::span<Address* const> but = {});
  // With one writer this needs no locked instruction.
  void count_under_way(int more) { under_way_.store(under_way() + more, std::memory_order_relaxed); }
  void refused(Address& address);
  void failed(Address& address);
  bool another_does_better(const Address& than) const;
  void leave_alone(Address& address, std::atomic<Instant>& until, std::string_view how);
  Task<void> ask(Address& address);

  Dialer& dialer_;
  Deadlines& deadlines_;
  UpstreamLimits limits_;
  std::vector<std::unique_ptr<Address>> addresses_;
  std::size_t next_ = 0;
  std::atomic<int> under_way_ = 0;
};

}  // namespace oxbow
