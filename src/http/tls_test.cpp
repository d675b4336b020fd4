#include "http/tls.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/testing.hpp"

namespace headroom::http::testing {
namespace {

using ::testing::HasSubstr;

std::string output_of(const std::string& command, int* status = nullptr) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[4096];
  for (std::size_t n; (n = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int ended = ::pclose(pipe);
  if (status != nullptr) *status = WEXITSTATUS(ended);
  return text;
}

// A certificate for "localhost" that is its own authority.
class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    int status = 0;
    output_of(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
            key() + " -out " + cert() + " 2>&1",
        &status);
    ASSERT_EQ(status, 0) << "openssl could not make a certificate";
  }
  std::string cert() const { return dir_ / "cert.pem"; }
  std::string key() const { return dir_ / "key.pem"; }
  TempDir dir_;
};

TEST_F(Tls, IsRefusedWithTheReasonWhenItsFilesAreNotRight) {
  EXPECT_TRUE(TlsContext::open(cert(), key()));
  const auto none = TlsContext::open(dir_ / "none", key());
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().what, HasSubstr("no certificate in"));
  const auto swapped = TlsContext::open(cert(), cert());
  ASSERT_FALSE(swapped);
  EXPECT_THAT(swapped.error().what, HasSubstr("no key in"));
  output_of("openssl ecparam -genkey -name prime256v1 -out " + (dir_ / "other.pem") + " 2>&1");
  EXPECT_FALSE(TlsContext::open(cert(), dir_ / "other.pem"));
}

TEST_F(Tls, ServesAClientThatKnowsTheCertificate) {
  const std::string large(300'000, 'x');
  Served served([&](const Request& request, Reply reply) {
    Response response;
    response.content_type = "text/plain";
    response.body = request.path == "/large" ? large : "hello " + std::string(request.body);
    reply.send(response);
  });
  served.on_loop([&] { served.server().use_tls(TlsContext::open(cert(), key()).value()); });
  const std::uint16_t port = served.port();
  const std::string address = "https://localhost:" + std::to_string(port);
  const std::string curl = "curl -sS --max-time 60 --cacert " + cert() + " ";
  EXPECT_EQ(output_of(curl + "-d you " + address + "/"), "hello you");
  // Two requests on one connection, and an answer larger than any buffer on the way.
  EXPECT_EQ(output_of(curl + address + "/large " + address + "/large").size(), 2 * large.size());
  EXPECT_EQ(output_of(curl + "--tls-max 1.1 " + address + "/ 2>&1; true").find("hello"),
            std::string::npos);
  // Without TLS nothing is said to it, and others are served on.
  int status = 0;
  output_of("curl -sS --max-time 60 http://127.0.0.1:" + std::to_string(port) + "/ 2>&1", &status);
  EXPECT_NE(status, 0);
  EXPECT_EQ(output_of(curl + address + "/"), "hello ");
}

TEST_F(Tls, GivesUpOnAClientThatNeverFinishesItsGreeting) {
  Limits limits;
  limits.header_time = std::chrono::milliseconds(50);
  Served served([](const Request&, Reply reply) { reply.send(200, "", ""); }, limits);
  served.on_loop([&] { served.server().use_tls(TlsContext::open(cert(), key()).value()); });
  Raw silent = Raw::tcp(served.port());
  Raw garbage = Raw::tcp(served.port());
  garbage.say("\x16\x03\x01 nonsense that is no greeting at all, and goes on for a while");
  EXPECT_TRUE(eventually([&] {
    const Counters counters = served.counters();
    return counters.accepted == 2 && counters.open_now == 0;
  }));
}

}  // namespace
}  // namespace headroom::http::testing
