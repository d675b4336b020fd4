#include "cli/screen_terminal.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace headroom::cli {
namespace {

// Signal handlers have nothing but globals. All of these are set before the handlers are.
termios before{};
int news = -1;
std::atomic<bool> taken{false};
std::atomic<bool> with_mouse{false};
std::atomic<int> to_end{0};
std::atomic<bool> to_stop{false};
std::atomic<bool> to_redraw{false};

// Alternate screen, no cursor, no wrapping at the right edge.
constexpr std::string_view kTake = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kGive = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr std::string_view kMouseOn = "\x1b[?1000h\x1b[?1006h";
constexpr std::string_view kMouseOff = "\x1b[?1006l\x1b[?1000l";

constexpr std::array<int, 4> kEnding{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr std::array<int, 5> kCrashes{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// Safe in a signal handler: write() and tcsetattr() only.
void put_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void give() {
  if (!taken.exchange(false)) return;
  if (with_mouse) put_all(kMouseOff);
  put_all(kGive);
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void take() {
  termios raw = before;
  raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP);
  // ISIG stays: ^C and ^Z mean what they mean everywhere.
  raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  taken = true;
  put_all(kTake);
  if (with_mouse) put_all(kMouseOn);
}

void wake() {
  const int kept = errno;
  if (news >= 0) eventfd_write(news, 1);
  errno = kept;
}

extern "C" void on_ending(int signal) {
  // The second time it ends at once: whatever was to be done in order did not get done.
  if (to_end.exchange(signal) != 0) ScreenTerminal::end_by(signal);
  wake();
}
extern "C" void on_stop(int) {
  to_stop = true;
  wake();
}
extern "C" void on_change(int) {
  to_redraw = true;
  wake();
}
extern "C" void on_crash(int signal) {
  const int kept = errno;
  give();
  errno = kept;
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigfillset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

Result<void> ScreenTerminal::check() {
  if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) return {};
  return fail(ErrorKind::invalid_request, "the full-screen view needs a terminal",
              isatty(STDOUT_FILENO) == 1 ? "stdin is none" : "stdout is none",
              "headroom status -w, headroom status --json, or headroom top --once");
}

ScreenTerminal::ScreenTerminal(bool mouse) {
  tcgetattr(STDIN_FILENO, &before);
  news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  with_mouse = mouse;
  static const bool kAtExit = std::atexit(give) == 0;
  (void)kAtExit;
  for (const int signal : kEnding) handle(signal, on_ending);
  for (const int signal : kCrashes) handle(signal, on_crash);
  handle(SIGTSTP, on_stop);
  handle(SIGCONT, on_change);
  handle(SIGWINCH, on_change);
  take();
}

ScreenTerminal::~ScreenTerminal() {
  give();
  for (const int signal : kEnding) std::signal(signal, SIG_DFL);
  for (const int signal : kCrashes) std::signal(signal, SIG_DFL);
  for (const int signal : {SIGTSTP, SIGCONT, SIGWINCH}) std::signal(signal, SIG_DFL);
  close(news);
  news = -1;
}

std::pair<int, int> ScreenTerminal::size() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {80, 24};
  }
  return {size.ws_col, size.ws_row};
}

bool ScreenTerminal::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EAGAIN) {  // somebody made it non-blocking
      pollfd ready{STDOUT_FILENO, POLLOUT, 0};
      poll(&ready, 1, 1000);
      if (to_end != 0) return true;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

int ScreenTerminal::fd() const { return news; }

ScreenTerminal::Asked ScreenTerminal::signals() {
  eventfd_t count = 0;
  eventfd_read(news, &count);
  if (to_stop.exchange(false)) {
    give();
    std::signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);  // stops here until SIGCONT
    handle(SIGTSTP, on_stop);
    // The shell may have changed the settings meanwhile; those are what we give back later.
    tcgetattr(STDIN_FILENO, &before);
    take();
    to_redraw = true;
  }
  return {to_end.load(), to_redraw.exchange(false)};
}

void ScreenTerminal::end_by(int signal) {
  give();
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
  _exit(128 + signal);
}

}  // namespace headroom::cli
