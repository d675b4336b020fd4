// `headroom session` without a daemon, on real folders.
#include "cli/session.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli/command_for_test.hpp"

namespace headroom::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Session : public testing::Test {
 protected:
  Session() : root_(fs::canonical(folder_ / "").string() + "/root") {
    for (const char* name : {"session_old", "session_new", "notes"}) {
      fs::create_directories(root_ + "/" + name);
      std::ofstream(root_ + "/" + name + "/file") << "x";
    }
    fs::permissions(root_, fs::perms(0755));  // whatever the umask is
    fs::create_directory_symlink("/", root_ + "/session_link");
    age("session_old");
    age("notes");
  }
  void age(const std::string& name) const {
    const timespec old{::time(nullptr) - 48 * 3600, 0};
    const timespec times[2] = {old, old};
    ::utimensat(AT_FDCWD, (root_ + "/" + name + "/file").c_str(), times, 0);
    ::utimensat(AT_FDCWD, (root_ + "/" + name).c_str(), times, 0);
  }
  int run(Words words) {
    words.insert(words.begin(), "session");
    test::Process process(folder_, std::move(words), {{"HEADROOM_OUTPUT", ""}});
    const int code = process.wait();
    out_ = process.out();
    err_ = process.err();
    return code;
  }
  bool there(const std::string& name) const { return fs::exists(root_ + "/" + name); }

  test::Folder folder_;
  std::string root_;
  std::string out_, err_;
};

TEST_F(Session, ADryRunSaysWhoWouldGoAndChangesNothing) {
  EXPECT_EQ(run({"clean", "--root", root_, "--older", "24h", "--dry-run", "--local"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("session_old"), HasSubstr("would remove 1 session"),
                          HasSubstr("nothing was changed: this was a dry run"),
                          HasSubstr("it is a symbolic link"), Not(HasSubstr("notes"))));
  EXPECT_TRUE(there("session_old"));
}

TEST_F(Session, CleanRemovesTheOldOnesOnly) {
  EXPECT_EQ(run({"clean", "--root", root_, "--older", "24h", "--local"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("removed 1 session"));
  EXPECT_FALSE(there("session_old"));
  for (const char* name : {"session_new", "notes", "session_link"})
    EXPECT_TRUE(there(name)) << name;
}

TEST_F(Session, ALockedOneStaysAndTheExitCodeSaysSo) {
  const int lock = open((root_ + "/session_old").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(lock, LOCK_SH), 0);
  EXPECT_EQ(run({"clean", "--root", root_, "--older", "24h", "--local"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("removed 0 sessions"), HasSubstr("locked it")));
  EXPECT_EQ(run({"rm", "session_old", "--root", root_, "--local"}), 7);
  EXPECT_THAT(err_, HasSubstr("locked it"));
  EXPECT_TRUE(there("session_old"));
  close(lock);
  EXPECT_EQ(run({"rm", "session_old", "--root", root_, "--local"}), 0) << err_;
  EXPECT_FALSE(there("session_old"));
}

TEST_F(Session, WithoutAnAgeNothingIsRemoved) {
  EXPECT_EQ(run({"clean", "--root", root_, "--local"}), 2);
  EXPECT_THAT(err_, HasSubstr("--older 24h"));
  EXPECT_TRUE(there("session_old"));
}

TEST_F(Session, MistakesAreNamed) {
  EXPECT_EQ(run({"sweep"}), 2);
  EXPECT_EQ(run({"rm"}), 2);
  EXPECT_EQ(run({"add"}), 2);
  EXPECT_THAT(err_, HasSubstr("try: headroom session add run-1"));
  EXPECT_EQ(run({"ls", "x"}), 2);
  EXPECT_EQ(run({"clean", "--older", "soon", "--local"}), 2);
  EXPECT_EQ(run({"add", "x", "--pid", "1x"}), 2);
  EXPECT_EQ(run({"rm", "session_none", "--root", root_, "--local"}), 4);
  EXPECT_EQ(run({"ls", "--root", root_ + "/none", "--local"}), 4);
  ::chmod(root_.c_str(), 0777);
  EXPECT_EQ(run({"clean", "--root", root_, "--older", "1h", "--local"}), 5);
  EXPECT_THAT(err_, HasSubstr("chmod"));
}

TEST_F(Session, ListsAsDocumentAndAdds) {
  EXPECT_EQ(run({"--root", root_, "--local", "--json"}), 0) << err_;
  const auto document = client::parse_json(out_);
  ASSERT_TRUE(document);
  EXPECT_EQ(client::list(*document).size(), 3u);
  EXPECT_EQ(client::text(client::list(*document)[0], "root"), root_);
  EXPECT_EQ(run({"add", "session_mine", "--root", root_, "--local"}), 0) << err_;
  EXPECT_EQ(out_, root_ + "/session_mine\n");
  EXPECT_TRUE(there("session_mine"));
}

TEST_F(Session, NamesOfOthersDoNotWriteOnTheTerminal) {
  const auto document = client::parse_json(
      R"({"dry_run":false,"freed_bytes":0,"items":[{"name":"session_\u001b[2J\n","root":"/r","owner":"x","uid":1,)"
      R"("changed":"2026-01-10T14:10:03.120Z","bytes":4096,"entries":1,"state":"left","why":"a\u001bb"}],)"
      R"("problems":["p\u001b"],"next":null})");
  ASSERT_TRUE(document);
  const std::string text = render_sessions(*document, false, Style());
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("1 could not be removed as a whole"));
}

}  // namespace
}  // namespace headroom::cli
