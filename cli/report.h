#pragma once

#include <string>

#include "cli/colour.h"
#include "core/diagnostics.h"
#include "core/error.h"
#include "core/json.h"

namespace switchyard::cli {

/// Exit statuses of the command.
enum Exit : int {
  fine = 0,
  wrong_input = 1,  ///< something wrong inside an input file
  usage = 2,        ///< the command line, or a file that cannot be opened
  differs = 3,      ///< only where a comparison was asked for
  internal = 70,    ///< a bug of ours
};

/// What a verb has to say. Verbs return it; only main writes.
struct Report {
  int exit = fine;
  std::string out;  ///< for stdout: the text, or exactly one JSON document
  std::string err;  ///< for stderr
  ColourMode colour = ColourMode::automatic;
  bool for_people = false;  ///< `out` is text that may be coloured, not a document
};

enum class Format : unsigned char { text, json };

/// The command line is wrong: exit 2.
class UsageError : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// `value` as the whole of stdout.
std::string document(const Json& value);
/// Diagnostics as a JSON list.
Json diagnostics_json(const Diagnostics& diagnostics, const Sources& sources);
/// Diagnostics as text, and after errors their number; "" without any.
std::string diagnostics_text(const Diagnostics& diagnostics, const Sources& sources);

/// A failure that belongs to no verb's document: one line on stderr; with Format::json also {"switchyard_error": 1,
/// "diagnostics"}.
Report failure(int exit, const std::string& code, const std::string& message, Format format);
/// The same document for findings.
Json error_document(const Diagnostics& diagnostics, const Sources& sources);

}  // namespace switchyard::cli
