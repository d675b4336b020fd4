#include "decide/catalogue.hpp"

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;

TEST(Catalogue, HasTheSixRows) {
  const auto row = [](const char* name) { return *catalogue_row(Config(), name).row; };
  EXPECT_EQ(row("facebook/musicgen-small").gpu_memory, 6_GiB);
  EXPECT_EQ(row("facebook/musicgen-medium").memory, 6_GiB);
  EXPECT_EQ(row("facebook/musicgen-large").compute, 8.0);
  EXPECT_EQ(row("small").batch, 4);
  EXPECT_EQ(row("medium").batch, 2);
  EXPECT_EQ(row("large").gpu_memory, 16_GiB);
  EXPECT_EQ(built_in_catalogue().size(), 6u);
}

TEST(Catalogue, ANameThatSaysItsSizeIsOfThatSize) {
  EXPECT_EQ(catalogue_row(Config(), "acme-small-v2").row->name, "small");
  EXPECT_EQ(catalogue_row(Config(), "acme/large").row->name, "large");
  EXPECT_EQ(catalogue_row(Config(), "acme").row, nullptr);
  EXPECT_EQ(catalogue_row(Config(), "").row, nullptr);
}

TEST(Catalogue, TheConfiguredRowGoesFirst) {
  Config config;
  config.models.catalogue = {{"facebook/musicgen-small", 1_GiB, 2_GiB, 0, 8, "measured"},
                             {"acme", 1_GiB, Bytes(), 0, 1, ""}};
  const CatalogueRow own = catalogue_row(config, "facebook/musicgen-small");
  EXPECT_TRUE(own.configured);
  EXPECT_EQ(own.row->batch, 8);
  EXPECT_TRUE(catalogue_row(config, "acme").configured);
  EXPECT_FALSE(catalogue_row(config, "small").configured);
}

}  // namespace
}  // namespace headroom::decide
