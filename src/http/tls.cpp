#include "http/tls.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace headroom::http {

namespace {

/// The functions of OpenSSL that are used here, found at run time: a daemon without TLS neither
/// needs the library nor pays for it.
struct OpenSsl {
  decltype(&TLS_server_method) server_method;
  decltype(&SSL_CTX_new) context_new;
  decltype(&SSL_CTX_free) context_free;
  decltype(&SSL_CTX_ctrl) context_control;
  decltype(&SSL_CTX_use_certificate_chain_file) use_certificate;
  decltype(&SSL_CTX_use_PrivateKey_file) use_key;
  decltype(&SSL_CTX_check_private_key) check_key;
  decltype(&SSL_new) session_new;
  decltype(&SSL_free) session_free;
  decltype(&SSL_set_bio) set_bio;
  decltype(&SSL_set_accept_state) set_accept_state;
  decltype(&SSL_do_handshake) do_handshake;
  decltype(&SSL_is_init_finished) is_init_finished;
  decltype(&SSL_read) read;
  decltype(&SSL_write) write;
  decltype(&SSL_get_error) get_error;
  decltype(&BIO_new) bio_new;
  decltype(&BIO_s_mem) bio_memory;
  decltype(&BIO_write) bio_write;
  decltype(&BIO_read) bio_read;
  decltype(&BIO_free) bio_free;
  decltype(&ERR_get_error) error;
  decltype(&ERR_error_string_n) error_text;
  decltype(&ERR_clear_error) clear_errors;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<OpenSsl> load() {
  void* ssl = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  void* crypto = ssl == nullptr ? nullptr : dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (crypto == nullptr) {
    const char* why = dlerror();
    return fail(ErrorKind::unavailable, "TLS is not there", why == nullptr ? "" : why,
                "apt-get install libssl3");
  }
  OpenSsl f{};
  const bool all =
      find(ssl, "TLS_server_method", f.server_method) && find(ssl, "SSL_CTX_new", f.context_new) &&
      find(ssl, "SSL_CTX_free", f.context_free) && find(ssl, "SSL_CTX_ctrl", f.context_control) &&
      find(ssl, "SSL_CTX_use_certificate_chain_file", f.use_certificate) &&
      find(ssl, "SSL_CTX_use_PrivateKey_file", f.use_key) &&
      find(ssl, "SSL_CTX_check_private_key", f.check_key) && find(ssl, "SSL_new", f.session_new) &&
      find(ssl, "SSL_free", f.session_free) && find(ssl, "SSL_set_bio", f.set_bio) &&
      find(ssl, "SSL_set_accept_state", f.set_accept_state) &&
      find(ssl, "SSL_do_handshake", f.do_handshake) &&
      find(ssl, "SSL_is_init_finished", f.is_init_finished) && find(ssl, "SSL_read", f.read) &&
      find(ssl, "SSL_write", f.write) && find(ssl, "SSL_get_error", f.get_error) &&
      find(crypto, "BIO_new", f.bio_new) && find(crypto, "BIO_s_mem", f.bio_memory) &&
      find(crypto, "BIO_write", f.bio_write) && find(crypto, "BIO_read", f.bio_read) &&
      find(crypto, "BIO_free", f.bio_free) && find(crypto, "ERR_get_error", f.error) &&
      find(crypto, "ERR_error_string_n", f.error_text) &&
      find(crypto, "ERR_clear_error", f.clear_errors);
  if (!all) {
    return fail(ErrorKind::unavailable, "TLS is not there",
                "libssl.so.3 lacks a function that is needed", "apt-get install libssl3");
  }
  return f;
}

class Context final : public TlsContext, public std::enable_shared_from_this<Context> {
 public:
  Context(OpenSsl functions, SSL_CTX* context) : openssl(functions), context_(context) {}
  ~Context() override { openssl.context_free(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  std::unique_ptr<TlsSession> accept() override;

  const OpenSsl openssl;

 private:
  SSL_CTX* context_;
};

class Session final : public TlsSession {
 public:
  Session(std::shared_ptr<const Context> context, SSL* ssl, BIO* in, BIO* out)
      : context_(std::move(context)), ssl_(ssl), in_(in), out_(out) {}
  ~Session() override { context_->openssl.session_free(ssl_); }  // and its two BIOs
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool feed(std::string_view cipher, std::string& plain, std::string& output) override {
    const OpenSsl& f = context_->openssl;
    f.clear_errors();
    bool going = true;
    while (!cipher.empty()) {
      const int n = f.bio_write(in_, cipher.data(), piece(cipher.size()));
      if (n <= 0) return false;
      cipher.remove_prefix(static_cast<std::size_t>(n));
    }
    if (!ready()) {
      const int done = f.do_handshake(ssl_);
      going = done == 1 || f.get_error(ssl_, done) == SSL_ERROR_WANT_READ;
    }
    std::array<char, 16 << 10> buffer;
    while (going && ready()) {
      const int n = f.read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
      if (n > 0) {
        plain.append(buffer.data(), static_cast<std::size_t>(n));
        continue;
      }
      going = f.get_error(ssl_, n) == SSL_ERROR_WANT_READ;
      break;
    }
    drain(output);
    return going;
  }

  bool wrap(std::string_view plain, std::string& output) override {
    const OpenSsl& f = context_->openssl;
    f.clear_errors();
    while (!plain.empty()) {
      const int n = f.write(ssl_, plain.data(), piece(plain.size()));
      if (n <= 0) return false;  // memory takes everything, so this is no matter of waiting
      plain.remove_prefix(static_cast<std::size_t>(n));
    }
    drain(output);
    return true;
  }

  bool ready() const override { return context_->openssl.is_init_finished(ssl_) == 1; }

 private:
  static int piece(std::size_t size) {
    return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
  }

  void drain(std::string& output) {
    std::array<char, 16 << 10> buffer;
    while (true) {
      const int n = context_->openssl.bio_read(out_, buffer.data(), buffer.size());
      if (n <= 0) return;
      output.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

  std::shared_ptr<const Context> context_;
  SSL* ssl_;
  BIO* in_;   // owned by ssl_
  BIO* out_;  // owned by ssl_
};

std::unique_ptr<TlsSession> Context::accept() {
  SSL* ssl = openssl.session_new(context_);
  BIO* in = openssl.bio_new(openssl.bio_memory());
  BIO* out = openssl.bio_new(openssl.bio_memory());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    if (ssl != nullptr) openssl.session_free(ssl);
    if (in != nullptr) openssl.bio_free(in);
    if (out != nullptr) openssl.bio_free(out);
    return nullptr;
  }
  openssl.set_bio(ssl, in, out);
  openssl.set_accept_state(ssl);
  return std::make_unique<Session>(shared_from_this(), ssl, in, out);
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::open(const std::string& cert,
                                                     const std::string& key) {
  auto loaded = load();
  if (!loaded) return tl::unexpected(loaded.error());
  const OpenSsl& f = *loaded;
  SSL_CTX* raw = f.context_new(f.server_method());
  if (raw == nullptr) return fail(ErrorKind::unavailable, "TLS is not there", "out of memory");
  auto context = std::make_shared<Context>(f, raw);
  const auto refuse = [&](const std::string& what) {
    std::array<char, 256> why{};
    f.error_text(f.error(), why.data(), why.size());
    return fail(ErrorKind::invalid_request, what, why.data(),
                "http.cert and http.key name a certificate and its key in PEM");
  };
  f.clear_errors();
  f.context_control(raw, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  // A session is taken up again by tickets alone: the server keeps nothing.
  f.context_control(raw, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  f.context_control(raw, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, nullptr);
  if (f.use_certificate(raw, cert.c_str()) != 1) return refuse("no certificate in " + cert);
  if (f.use_key(raw, key.c_str(), SSL_FILETYPE_PEM) != 1) return refuse("no key in " + key);
  if (f.check_key(raw) != 1) return refuse(key + " is not the key of " + cert);
  return std::shared_ptr<TlsContext>(std::move(context));
}

}  // namespace headroom::http
