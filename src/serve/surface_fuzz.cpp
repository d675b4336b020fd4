// Bytes as any caller may send them, through sockets, to a whole server: transport, access, routes,
// documents. Over the Unix socket or over TCP, in pieces, as the first byte says.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>

#include "http/fd.hpp"
#include "http/request_parser.hpp"
#include "http/response_parser.hpp"
#include "http/server.hpp"
#include "serve/metric_backend_for_test.hpp"
#include "serve/routes.hpp"

namespace headroom::serve {
namespace {

constexpr unsigned kTcp = 1;       // of the first byte: else the Unix socket
constexpr unsigned kKeeps = 2;     // what is asked of the control machine is not answered
constexpr unsigned kStranger = 4;  // the caller is nobody special
constexpr unsigned kLeaves = 8;    // the client goes without hearing the answers
constexpr std::size_t kPieces[] = {1 << 20, 1, 7, 64};  // by the next two bits
constexpr std::size_t kMostHeard = 64 << 20;

[[noreturn]] void wrong(std::string_view what, std::string_view seen) {
  std::cerr << "surface_fuzz: " << what << ":\n" << seen.substr(0, 4000) << '\n';
  std::abort();
}

// A machine that has everything and answers whatever is asked.
class Machine final : public testing::StillMachine {
 public:
  explicit Machine(unsigned how) : how_(how) {
    testing::fill(*this);
    view_.config = std::make_shared<const Config>();
    auto list = std::make_shared<ProcessList>();
    list->at = now();
    ProcessReading process;
    process.pid = 4121;
    process.parent = 1;
    process.uid = 1000;
    process.name = "py\xff\"thon";
    process.command = "python3 train.py --token=secret";
    process.gpus = {{"GPU-1", Bytes(1 << 30)}};
    list->items.push_back(process);
    processes_ = list;
    freed_.steps.resize(2);
    freed_.steps[0].model = "sd\xff\"xl";
    freed_.steps[0].gpu = "GPU-1";
    freed_.steps[0].bytes = freed_.gpu_memory = Bytes(9LL << 30);
    freed_.steps[1].outcome = FreeStep::Outcome::skipped;
    freed_.steps[1].why = "pinned";
  }
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>&) override {
    return std::vector<Setting>{{"http.listen", "\"127.0.0.1:8000\"", "built-in", "", "where"}};
  }
  Result<std::vector<Setting>> check_config(std::string_view) override { return settings(); }
  Result<HistoryAnswer> history(const HistoryQuery&) override {
    HistoryAnswer answer;
    answer.points = {{now().wall, 41.5}, {now().wall, std::nullopt}};
    answer.average = answer.max = 41.5;
    return answer;
  }
  void history(const HistoryQuery& query, std::function<std::string(const HistoryAnswer&)> render,
               std::function<void(Result<std::string>)> done) override {
    done(render(*history(query)));
  }
  std::shared_ptr<const ProcessList> processes() override { return processes_; }
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override {
    done(processes_);
  }
  std::vector<EventLine> events(const EventQuery&) override {
    EventLine line;
    line.id = 5;
    line.type = "lease.granted";
    line.lease = 73;
    line.text = "train\nid: 6 got \"4.0 GiB\"";
    return {line};
  }
  RequestId ask(const Caller&, Ask what, std::function<void(const Answered&)> done) override {
    if ((how_ & kKeeps) != 0) {
      kept_.emplace_back(++last_, std::move(done));
      return last_;
    }
    if (std::holds_alternative<AskFit>(what)) {
      Verdict verdict;
      verdict.steps = freed_.steps;
      done(verdict);
    } else if (std::holds_alternative<AskModel>(what)) {
      done(view_.models.front());
    } else if (std::holds_alternative<AskFree>(what)) {
      done(freed_);
    } else if (std::holds_alternative<AskAcknowledge>(what) ||
               std::holds_alternative<AskMute>(what)) {
      done(view_.alerts.front());
    } else if (std::holds_alternative<AskEnd>(what)) {
      done(Refusal{{ErrorKind::conflict, "the lease has ended", "its holder did", ""}, Verdict()});
    } else {
      done(view_.leases.front());
    }
    return ++last_;
  }
  void withdraw(RequestId request) override {
    if (std::erase_if(kept_, [&](const auto& one) { return one.first == request; }) != 1) {
      wrong("a request was withdrawn that does not wait", "");
    }
  }
  Caller caller(const http::Peer&) override {
    Caller caller;
    caller.trusted = (how_ & kStranger) == 0;
    return caller;
  }
  std::uint64_t listen(LeaseId lease, std::function<bool(const AskHook&)> send) override {
    if (listeners_.size() >= 3) return 0;
    listeners_.emplace_back(++last_, lease, std::move(send));
    return last_;
  }
  void stop_listening(LeaseId lease, std::uint64_t listener) override {
    std::erase_if(listeners_, [&](const auto& one) {
      return std::get<0>(one) == listener && std::get<1>(one) == lease;
    });
  }
  Result<void> answer(LeaseId, std::uint64_t ask, HookResult, std::string) override {
    if (ask == 17) return {};
    return fail(ErrorKind::not_found, "nobody asked that");
  }
  /// Asks all who listen.
  void ask_holders() {
    AskHook ask;
    ask.ask = 17;
    ask.model = "sd\nxl";
    ask.lease = 73;
    const auto all = listeners_;
    for (const auto& [listener, lease, send] : all) (void)send(ask);
  }
  /// How many who asked are neither answered nor withdrawn.
  std::size_t waiting() const { return kept_.size(); }

 private:
  unsigned how_;
  RequestId last_ = 0;
  Freed freed_;
  std::vector<std::tuple<std::uint64_t, LeaseId, std::function<bool(const AskHook&)>>> listeners_;
  std::vector<std::pair<RequestId, std::function<void(const Answered&)>>> kept_;
  std::shared_ptr<const ProcessList> processes_;
};

// A socket that listens where nobody else does, and one that is connected to it.
std::pair<http::Fd, http::Fd> listening_and_connected(bool tcp) {
  http::Fd listening(::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  http::Fd client(::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(sa_family_t);  // the kernel chooses a name in its own space
  any->sa_family = AF_UNIX;
  if (tcp) {
    auto* in = reinterpret_cast<sockaddr_in*>(&address);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof *in;
    const linger none{1, 0};  // a port that waits after each input would soon leave none
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  socklen_t whole = sizeof address;
  if (::bind(listening.get(), any, size) != 0 || ::listen(listening.get(), 1) != 0 ||
      ::getsockname(listening.get(), any, &whole) != 0 ||
      ::connect(client.get(), any, whole) != 0) {
    return {};
  }
  return {std::move(listening), std::move(client)};
}

// What was asked, as far as it can be understood: the answers come in this order.
std::vector<bool> heads_asked(std::string_view bytes) {
  std::vector<bool> heads;
  const http::Limits limits;  // the parser refers to it
  http::RequestParser parser(limits);
  while (!bytes.empty()) {
    const auto step = parser.feed(bytes);
    bytes.remove_prefix(step.used);
    if (step.state == http::RequestParser::State::refused) break;
    if (step.state == http::RequestParser::State::more) break;
    heads.push_back(parser.request().method == http::Method::head);
    parser.reset();
  }
  return heads;
}

void check_document(const http::ClientResponse& answer) {
  if (answer.status < 200 || answer.status > 599) wrong("a status that is none", answer.body);
  // An exception in a handler is answered so.
  if (answer.status == 500) wrong("something went wrong inside", answer.body);
  const std::string_view type = answer.header("content-type");
  const bool problem = type.starts_with("application/problem+json");
  if (answer.status >= 400 && !problem && !type.starts_with("text/")) {
    wrong("a failure without a problem document", answer.body);
  }
  if (answer.body.empty() || !answer.header("content-encoding").empty()) return;
  if (!problem && !type.starts_with("application/json")) return;
  boost::system::error_code error;
  const auto document = boost::json::parse(answer.body, error);
  if (error) wrong("a document is no JSON", answer.body);
  if (problem && (!document.is_object() || !document.as_object().contains("type") ||
                  !document.as_object().contains("title"))) {
    wrong("a problem without type or title", answer.body);
  }
}

void check_answers(std::string_view heard, const std::vector<bool>& heads) {
  std::size_t number = 0;
  while (!heard.empty()) {
    const bool head = number < heads.size() && heads.at(number);
    http::ResponseParser parser(head, kMostHeard);
    const auto step = parser.feed(heard);
    if (step.state == http::ResponseParser::State::bad) wrong(parser.why(), heard);
    if (step.state == http::ResponseParser::State::more) {
      // A stream goes on, an answer may end with its connection, and a body that was asked for may
      // never come.
      if (!parser.head_done() && heard != "HTTP/1.1 100 Continue\r\n\r\n") {
        wrong("half an answer", heard);
      }
      return;
    }
    check_document(parser.response());
    heard.remove_prefix(step.used);
    ++number;
  }
  // All that was understood, and a refusal of what was not.
  if (number > heads.size() + 1) wrong("more answers than questions", "");
}

}  // namespace
}  // namespace headroom::serve

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  using namespace headroom::serve;
  if (size == 0) return 0;
  const unsigned how = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto [listening, client] = listening_and_connected((how & kTcp) != 0);
  if (!client) return 0;
  boost::asio::io_context io{1};
  Machine machine(how);
  Routes routes(machine);
  http::Server server(io, {}, [&](const http::Request& request, http::Reply reply) {
    routes.handle(request, std::move(reply));
  });
  server.set_header("X-Headroom-Node", "box");
  if (!server.listen_fd(listening.release())) std::abort();

  std::string heard;
  std::vector<char> buffer(64 << 10);
  // Runs what is ready and reads what came of it; false when the connection has ended.
  const auto turn = [&] {
    while (true) {
      io.poll();
      bool more = false;
      for (;;) {
        const ssize_t got = ::recv(client.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got == 0) return false;
        if (got < 0 && errno != EAGAIN) return false;
        if (got < 0) break;
        more = true;
        heard.append(buffer.data(), static_cast<std::size_t>(got));
      }
      if (!more) return true;
    }
  };
  bool open = turn();
  const std::size_t piece = kPieces[how >> 4 & 3];
  for (std::size_t at = 0; open && at < bytes.size();) {
    const auto part = bytes.substr(at, piece);
    const ssize_t sent =
        ::send(client.get(), part.data(), part.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) break;  // gone, or it reads no further ahead
    at += static_cast<std::size_t>(sent);
    if ((how & kLeaves) == 0) open = turn();
  }
  if ((how & kLeaves) == 0) {
    turn();
    routes.tell_sample();
    routes.tell_event(machine.events({}).front());
    routes.tell_lease(73);
    machine.ask_holders();
    turn();
    check_answers(heard, heads_asked(bytes));
  }
  client.reset();
  io.poll();
  io.poll();
  if (server.counters().open_now > 1) wrong("a connection that nobody has is open", heard);
  routes.close();
  server.close();
  io.poll();
  if (server.counters().open_now != 0) wrong("a closed server has a connection", heard);
  return 0;
}
