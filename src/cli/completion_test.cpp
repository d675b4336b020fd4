// The completions that shells get: the same as those in packaging/completions, and working.
// HEADROOM_UPDATE_GOLDEN=1 rewrites the files.
#include "cli/completion.hpp"

#include <algorithm>
#include <cstdio>

#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
#include "client/json.hpp"

namespace headroom::cli {
namespace {

using test::Folder;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Shape& shape_of(const std::vector<Shape>& all, const std::string& name) {
  return *std::ranges::find(all, name, &Shape::name);
}

TEST(Completion, IsMadeFromTheCommandsOwnWords) {
  const auto all = shapes();
  EXPECT_EQ(all.size(), commands().size());
  const auto& lease = shape_of(all, "lease");
  ASSERT_GE(lease.verbs.size(), 2u);
  EXPECT_EQ(lease.verbs[0].word, "ls");
  EXPECT_EQ(lease.verbs[1].word, "show");
  EXPECT_EQ(lease.verbs[1].after.kind, Candidates::Kind::leases);
  const auto& ps = shape_of(all, "ps");
  const auto sort = std::ranges::find_if(
      ps.options, [](const Shape::Option& one) { return one.names[0] == "--sort"; });
  EXPECT_THAT(sort->values.words, ElementsAre("gpu", "mem", "cpu", "io"));
  EXPECT_TRUE(shape_of(all, "run").runs_command);
  EXPECT_EQ(shape_of(all, "gpu").words.kind, Candidates::Kind::gpus);
  EXPECT_THAT(shape_of(all, "history").words.words, Contains("gpu_memory"));
  EXPECT_EQ(shape_of(all, "config").verbs.front().word, "show");
}

TEST(Completion, TheFilesOfThePackageAreWhatTheCommandPrints) {
  const auto all = shapes();
  const std::pair<const char*, const char*> files[] = {
      {"bash", "headroom.bash"}, {"zsh", "_headroom"}, {"fish", "headroom.fish"}};
  for (const auto& [shell, name] : files) {
    const auto path = std::string(HEADROOM_SOURCE_DIR "/packaging/completions/") + name;
    const auto script = completion_for(shell, all);
    if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << script;
    }
    EXPECT_EQ(script, test::read_file(path)) << "HEADROOM_UPDATE_GOLDEN=1 rewrites it";
  }
  EXPECT_EQ(completion_for("tcsh", all), "");
}

/// What bash offers for a line; its last word is the one that is typed.
std::vector<std::string> offered(const Words& line) {
  const Folder folder;
  std::ofstream(folder / "completion") << completion_for("bash", shapes());
  // The stand-in for the command answers as `headroom lease -o csv` does.
  std::string script =
      "headroom() { case $1 in lease) printf 'l-7,a\\nl-12,b\\n' ;; "
      "gpu) printf '0,H100\\n1,H100\\n' ;; esac; }\n"
      ". " +
      (folder / "completion") + "\nCOMP_WORDS=(headroom";
  for (const auto& word : line) script += " '" + word + "'";
  script += ")\nCOMP_CWORD=" + std::to_string(line.size()) +
            "\n_headroom\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  std::ofstream(folder / "script") << script;
  std::vector<std::string> words;
  std::FILE* const out = ::popen(("bash --norc " + (folder / "script") + " 2>&1").c_str(), "r");
  char text[4096];
  while (out != nullptr && std::fgets(text, sizeof text, out) != nullptr) {
    std::string word = text;
    word.pop_back();
    if (!word.empty()) words.push_back(word);
  }
  if (out != nullptr) ::pclose(out);
  return words;
}

TEST(BashCompletion, OffersCommandsOptionsAndTheirWords) {
  EXPECT_THAT(offered({"stat"}), ElementsAre("status"));
  EXPECT_THAT(offered({""}), AllOf(Contains("ps"), Contains("completion"), Contains("gpu")));
  EXPECT_THAT(offered({"ps", "--so"}), ElementsAre("--sort"));
  EXPECT_THAT(offered({"ps", "--sort", ""}), ElementsAre("gpu", "mem", "cpu", "io"));
  EXPECT_THAT(offered({"ps", "--sort", "c"}), ElementsAre("cpu"));
  EXPECT_THAT(offered({"-o", "js"}), ElementsAre("json", "jsonl"));
  EXPECT_THAT(offered({"-o", "json", "ver"}), ElementsAre("version"));
  EXPECT_THAT(offered({"completion", "z"}), ElementsAre("zsh"));
  EXPECT_THAT(offered({"history", "gpu_m"}), ElementsAre("gpu_memory"));
  EXPECT_THAT(offered({"nonsense", ""}), IsEmpty());
}

TEST(BashCompletion, AsksForLeasesAndDevices) {
  EXPECT_THAT(offered({"lease", "show", ""}), ElementsAre("l-7", "l-12"));
  EXPECT_THAT(offered({"leases", "rm", "l-1"}), ElementsAre("l-12"));
  EXPECT_THAT(offered({"gpu", ""}), ElementsAre("0", "1"));
  EXPECT_THAT(offered({"ps", "--gpu", ""}), ElementsAre("0", "1"));
}

TEST(BashCompletion, LeavesTheWordsOfACommandAlone) {
  EXPECT_THAT(offered({"run", "--mem", "1G", "--", "bas"}), Contains("bash"));
  EXPECT_THAT(offered({"run", "--mem", "1G", "bas"}), Not(Contains("status")));
  EXPECT_THAT(offered({"run", "--priority", "cri"}), ElementsAre("critical"));
}

TEST(CompletionCommand, OfAnUnknownShellNamesTheKnownOnes) {
  const Folder folder;
  test::Process process(folder, {"completion", "tcsh"});
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(process.err(), HasSubstr("headroom completion bash, zsh or fish"));
}

TEST(HelpJson, TellsTheOptionsToPrograms) {
  const Folder folder;
  test::Process process(folder, {"ps", "--help-json"});
  EXPECT_EQ(process.wait(), 0);
  const auto document = client::parse_json(process.out());
  ASSERT_TRUE(document) << process.out();
  EXPECT_EQ(client::text(*document, "usage"), "headroom ps");
  EXPECT_EQ(client::text(client::list(*document, "options")[0], "names"), "--sort");
}

}  // namespace
}  // namespace headroom::cli
