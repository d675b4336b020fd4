#include "crowd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace headroom::load {

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s;        // nothing takes that long unless it is broken
constexpr auto kBookEvery = 10ms;      // a hundred leases a second are news enough for slow readers
constexpr auto kLookAfter = 100ms;     // how often readers that were dropped come again
constexpr std::size_t kTogether = 64;  // new connections that wait for their first answer
constexpr std::size_t kBuffer = 256 << 10;
constexpr std::size_t kLargestAnswer = 16 << 20;
constexpr int kSmallWindow = 4096;  // what a slow reader's own kernel takes in for it
constexpr std::string_view kLease = R"({"name":"load","needs":{"memory_bytes":1048576}})";

Error broken(const std::string& what) {
  return {ErrorKind::unavailable, what, std::strerror(errno), ""};
}

}  // namespace

Crowd::Crowd(CrowdOptions options)
    : options_(std::move(options)), poll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(kBuffer) {}

Crowd::~Crowd() = default;

Result<http::Fd> Crowd::connect(bool tcp) const {
  http::Fd fd(socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int done = -1;
  if (tcp) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    done = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    options_.socket.copy(address.sun_path, sizeof address.sun_path - 1);
    done = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  if (!fd || done != 0) return tl::unexpected(broken("cannot connect"));
  return fd;
}

Result<Crowd::Client*> Crowd::add(Role role, bool tcp) {
  auto fd = connect(tcp);
  if (!fd) return tl::unexpected(fd.error());
  fcntl(fd->get(), F_SETFL, fcntl(fd->get(), F_GETFL) | O_NONBLOCK);
  auto client = std::make_unique<Client>();
  client->fd = std::move(*fd);
  client->role = role;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.ptr = client.get();
  if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, client->fd.get(), &event) != 0) {
    return tl::unexpected(broken("cannot wait for a connection"));
  }
  clients_.push_back(std::move(client));
  return clients_.back().get();
}

void Crowd::ask(Client& client, std::string_view method, std::string_view target,
                std::string_view body) {
  if (client.gone) return;
  std::string request(method);
  request.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (!body.empty()) {
    request.append("Content-Type: application/json\r\nContent-Length: ");
    request.append(std::to_string(body.size())).append("\r\n");
  }
  request.append("\r\n").append(body);
  client.parser.emplace(false, kLargestAnswer);
  client.waiting = true;
  ++waiting_;
  client.asked = Clock::now();
  if (send(client.fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    wrong(client, std::string("a request could not be sent: ") + std::strerror(errno));
  }
}

void Crowd::ask_next(Client& client) {
  if (client.role == Role::idle) {
    ask(client, "GET", "/healthz");
  } else if (client.role == Role::busy) {
    ask(client, "GET", kQuestions.at(client.question).target);
  } else if (client.lease.empty()) {
    ask(client, "POST", "/api/v1/leases", kLease);
  } else {
    ask(client, "DELETE", "/api/v1/leases/" + client.lease);
  }
}

void Crowd::wrong(Client& client, const std::string& why) {
  if (told_.wrong++ == 0) told_.first_wrong = why;
  client.gone = true;
  epoll_ctl(poll_.get(), EPOLL_CTL_DEL, client.fd.get(), nullptr);
  client.fd.reset();
  if (client.waiting) --waiting_;
  client.waiting = false;
}

void Crowd::on_readable(Client& client) {
  while (!client.gone) {
    const ssize_t got = recv(client.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      return wrong(client, got == 0 ? "the daemon closed a connection"
                                    : std::string("a connection broke: ") + std::strerror(errno));
    }
    if (!client.waiting) return wrong(client, "an answer that nobody asked for");
    std::string_view piece(buffer_.data(), static_cast<std::size_t>(got));
    const auto step = client.parser->feed(piece);
    if (step.state == http::ResponseParser::State::bad) {
      return wrong(client, "an answer is no HTTP: " + std::string(client.parser->why()));
    }
    if (step.state == http::ResponseParser::State::more) continue;
    if (step.used != piece.size()) return wrong(client, "more than one answer to one question");
    const http::ClientResponse answer = std::move(client.parser->response());
    client.parser.reset();
    client.waiting = false;
    --waiting_;
    take(client, answer);
  }
}

void Crowd::take(Client& client, const http::ClientResponse& answer) {
  const auto refuse = [&](std::string_view what) {
    wrong(client, std::string(what) + ": status " + std::to_string(answer.status) + ", " +
                      std::to_string(answer.body.size()) + " bytes: " + answer.body.substr(0, 200));
  };
  if (client.role == Role::idle) {
    if (answer.status != 200) return refuse("/healthz");
    ++told_.idle_answered;
    return;
  }
  if (client.role == Role::busy) {
    const Question& question = kQuestions.at(client.question);
    Asked& asked = told_.questions.at(client.question);
    if (answer.status == 429 && question.may_be_refused) {
      ++asked.refused;
    } else if (answer.status != 200 || answer.body.size() < question.least_bytes ||
               answer.body.find(question.must_have) == std::string::npos) {
      return refuse(question.target);
    } else {
      ++asked.answered;
      asked.times.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - client.asked).count());
    }
    client.question = (client.question + 1) % kQuestions.size();
  } else if (client.lease.empty()) {
    constexpr std::string_view kId = R"("id":")";
    const auto at = answer.body.find(kId);
    if (answer.status != 201 || at == std::string::npos) return refuse("a lease was not booked");
    const auto from = at + kId.size();
    client.lease = answer.body.substr(from, answer.body.find('"', from) - from);
  } else {
    if (answer.status != 200) return refuse("a lease was not released");
    client.lease.clear();
    ++told_.leases;
  }
  done(client);
}

// Asks again, at once or when it is this one's turn.
void Crowd::done(Client& client) {
  if (!loading_) {
    // A lease that is booked is released before the end.
    if (client.role == Role::booker && !client.lease.empty()) ask_next(client);
    return;
  }
  const bool rests = client.role == Role::booker && client.lease.empty();
  const bool paced = client.role == Role::busy && options_.rate > 0;
  if (!rests && !paced) return ask_next(client);
  const std::chrono::duration<double> pause =
      rests ? kBookEvery : options_.busy / options_.rate * 1s;
  due_.emplace(client.asked + std::chrono::duration_cast<Clock::duration>(pause), &client);
}

void Crowd::pump(std::chrono::milliseconds at_most) {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()),
                               static_cast<int>(at_most.count()));
  for (int i = 0; i < count; ++i) {
    auto* client = static_cast<Client*>(events.at(static_cast<std::size_t>(i)).data.ptr);
    if (!client->gone) on_readable(*client);
  }
}

Result<void> Crowd::until_answered() {
  const auto end = Clock::now() + kPatience;
  while (waiting_ > 0) {
    pump(100ms);
    if (Clock::now() > end) {
      return fail(ErrorKind::timed_out, std::to_string(waiting_) + " questions have no answer");
    }
  }
  return {};
}

Result<void> Crowd::gather() {
  for (int i = 0; i < options_.idle; ++i) {
    auto client = add(Role::idle, true);
    if (!client) return tl::unexpected(client.error());
    ask_next(**client);
    while (waiting_ >= kTogether) pump(100ms);
  }
  return until_answered();
}

Result<void> Crowd::ask_idle() {
  for (const auto& client : clients_) {
    if (client->role != Role::idle) continue;
    ask_next(*client);
    while (waiting_ >= kTogether) pump(100ms);
  }
  return until_answered();
}

Result<http::Fd> Crowd::open_stream() const {
  auto fd = connect(false);
  if (!fd) return fd;
  setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &kSmallWindow, sizeof kSmallWindow);
  constexpr std::string_view kRequest = "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (send(fd->get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size())) {
    return tl::unexpected(broken("a stream could not be asked for"));
  }
  return fd;
}

Result<void> Crowd::look_after_readers() {
  for (http::Fd& reader : readers_) {
    pollfd state{reader.get(), POLLRDHUP, 0};
    if (poll(&state, 1, 0) <= 0) continue;
    ++told_.readers_gone;
    auto again = open_stream();
    if (!again) return tl::unexpected(again.error());
    reader = std::move(*again);
  }
  return {};
}

Result<void> Crowd::load(std::chrono::milliseconds length) {
  for (int i = 0; i < options_.readers; ++i) {
    auto reader = open_stream();
    if (!reader) return tl::unexpected(reader.error());
    readers_.push_back(std::move(*reader));
  }
  loading_ = true;
  const auto start = Clock::now();
  auto booker = add(Role::booker, false);
  if (!booker) return tl::unexpected(booker.error());
  ask_next(**booker);
  for (int i = 0; i < options_.busy; ++i) {
    auto client = add(Role::busy, i % 2 == 0);
    if (!client) return tl::unexpected(client.error());
    (*client)->question = static_cast<std::size_t>(i) % kQuestions.size();
    if (options_.rate > 0) {  // not all of them at once
      const std::chrono::duration<double> turn(i / options_.rate);
      due_.emplace(start + std::chrono::duration_cast<Clock::duration>(turn), *client);
    } else {
      ask_next(**client);
    }
  }
  for (auto look = start; Clock::now() < start + length;) {
    pump(due_.empty() ? 10ms : 1ms);
    const auto now = Clock::now();
    while (!due_.empty() && due_.begin()->first <= now) {
      ask_next(*due_.begin()->second);
      due_.erase(due_.begin());
    }
    if (now < look) continue;
    look = now + kLookAfter;
    if (auto looked = look_after_readers(); !looked) return looked;
  }
  loading_ = false;
  due_.clear();
  return until_answered();
}

void Crowd::leave() {
  clients_.clear();
  readers_.clear();
}

}  // namespace headroom::load
