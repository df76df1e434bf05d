#include "rules/text_table.h"

#include <doctest/doctest.h>

#include <limits>

using namespace switchyard;
using Align = TextTable::Align;

TEST_CASE("text table: columns are aligned by what a terminal shows, without trailing spaces") {
  TextTable table({Align::left, Align::right, Align::left});
  table.row({"a", "1", "x"});
  table.row({"caf\xc3\xa9", "22", ""});
  table.row({"\xe5\xb1\x82\xe5\xb1\x82", "333", "y"});  // two wide characters
  table.row({"only"});
  CHECK(table.text() ==
        "a       1  x\n"
        "caf\xc3\xa9   22\n"
        "\xe5\xb1\x82\xe5\xb1\x82  333  y\n"
        "only\n");
  CHECK(table.text(2).substr(0, 3) == "  a");
}

TEST_CASE("text table: widths") {
  CHECK(display_width("") == 0);
  CHECK(display_width("abc") == 3);
  CHECK(display_width("caf\xc3\xa9") == 4);
  CHECK(display_width("cafe\xcc\x81") == 4);      // a combining accent
  CHECK(display_width("\xf0\x9f\x98\x80") == 2);  // an emoji
  CHECK(display_width("\xff\xfe") == 2);          // not UTF-8
  CHECK(display_width("\xc3") == 1);
}

TEST_CASE("text table: grouped digits") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(124439808) == "124,439,808");
  CHECK(grouped(-1000) == "-1,000");
  CHECK(grouped(-999) == "-999");
  CHECK(grouped(std::numeric_limits<long long>::max()) == "9,223,372,036,854,775,807");
  CHECK(grouped(std::numeric_limits<long long>::min()) == "-9,223,372,036,854,775,808");
}

TEST_CASE("text table: sizes and counts") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text(339738624) == "324.0 MiB");
  CHECK(bytes_text(std::numeric_limits<long long>::max()) == "8.0 EiB");
  CHECK(counted(1, "tensor") == "1 tensor");
  CHECK(counted(0, "tensor") == "0 tensors");
  CHECK(counted(1200, "tensor") == "1,200 tensors");
}

TEST_CASE("text table: what cannot be printed is escaped, once") {
  CHECK(printable("plain caf\xc3\xa9") == "plain caf\xc3\xa9");
  CHECK(printable("a\x1b[31mb") == "a\\x1b[31mb");
  CHECK(printable("a\nb") == "a\\x0ab");
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");           // the one-character escape of terminals
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate is not UTF-8
  CHECK(printable(printable("\xff")) == printable("\xff"));
}
