#include "kernels/coefficients.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace switchyard::kernels {
namespace {

// Every constant is from shared/reference/muon.md 4.1 and 4.4, which names the publication of each.
constexpr Coefficients kJordan{3.4445, -4.7750, 2.0315};
constexpr Coefficients kClosing{1.875, -1.25, 0.375};  // the Taylor quintic (15, -10, 3)/8

template <std::size_t N>
constexpr std::array<Coefficients, N> scaled(std::array<Coefficients, N> rows, double s, std::size_t count) {
  for (std::size_t i = 0; i < count && i < N; ++i) {
    rows[i] = {rows[i].a / s, rows[i].b / (s * s * s), rows[i].c / (s * s * s * s * s)};
  }
  return rows;
}

constexpr std::array kJordanRows{kJordan};
constexpr std::array<Coefficients, 5> kYou5{{{4.0848, -6.8946, 2.9270},
                                             {3.9505, -6.3029, 2.6377},
                                             {3.7418, -5.5913, 2.3037},
                                             {2.8769, -3.1427, 1.2046},
                                             {2.8366, -3.0525, 1.2012}}};
constexpr std::array<Coefficients, 6> kYou6{{{3955.0 / 1024, -8306.0 / 1024, 5008.0 / 1024},
                                             {3735.0 / 1024, -6681.0 / 1024, 3463.0 / 1024},
                                             {3799.0 / 1024, -6499.0 / 1024, 3211.0 / 1024},
                                             {4019.0 / 1024, -6385.0 / 1024, 2906.0 / 1024},
                                             {2677.0 / 1024, -3029.0 / 1024, 1162.0 / 1024},
                                             {2172.0 / 1024, -1833.0 / 1024, 682.0 / 1024}}};
constexpr std::array<Coefficients, 8> kPolarExpressRaw{{{8.28721201814563, -23.595886519098837, 17.300387312530933},
                                                        {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
                                                        {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
                                                        {3.3184196573706015, -2.488488024314874, 0.51004894012372},
                                                        {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
                                                        {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
                                                        {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
                                                        kClosing}};
constexpr auto kPolarExpress = scaled(kPolarExpressRaw, 1.01, 7);
constexpr auto kPolarExpress105 = scaled(kPolarExpressRaw, 1.05, 5);
constexpr std::array<Coefficients, 8> kMod8{{{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                             {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                                             {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                                             {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                                             {2.3005307116270983, -1.6111665557258408, 0.3833374427545273},
                                             {1.8631210546382593, -1.2042160621002727, 0.3421879560523383},
                                             {1.8382572152247512, -1.1779263289537742, 0.3396513038637379},
                                             {1.8750000011856, -1.2500000013173, 0.3750000001317}}};
constexpr std::array<Coefficients, 5> kMod{
    {kMod8[0], kMod8[1], kMod8[2], kMod8[3], {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}}};
constexpr std::array<Coefficients, 10> kPolarExpressRepository{
    {{8.237312490495555, -23.157747414558184, 16.6805684114459},
     {4.082441999064836, -2.893047735332589, 0.5252849256975652},
     {3.9263479922546516, -2.8547468034765267, 0.5318022422894985},
     {3.298218713308513, -2.424541981026707, 0.486320083588441},
     {2.2970369434552573, -1.6366255812590293, 0.4002628455953622},
     {1.8763805351440364, -1.2347896577722168, 0.358918875016681},
     {1.8564423485556578, -1.2132449880815264, 0.3568003487766989},
     {1.8564356435863227, -1.2132376849334817, 0.35679963285487626},
     {1.8564311662246082, -1.2132289066937928, 0.3567953302377913},
     {1.8749954775653716, -1.249990955152559, 0.37499547758718743}}};
constexpr std::array<Coefficients, 8> kPolarExpressEo{{{8.2051, -22.9019, 16.4607},
                                                       {4.0664, -2.8612, 0.5184},
                                                       {3.9096, -2.8234, 0.5250},
                                                       {3.2856, -2.4153, 0.4853},
                                                       {2.2779, -1.6198, 0.3985},
                                                       {1.8726, -1.2307, 0.3585},
                                                       {1.8564, -1.2132, 0.3568},
                                                       kClosing}};
constexpr std::array<Coefficients, 5> kCans{{{8.4703, -25.1081, 18.6293},
                                             {4.1828, -3.1087, 0.5806},
                                             {3.9619, -2.9541, 0.5630},
                                             {3.2866, -2.4647, 0.5074},
                                             {2.2737, -1.6447, 0.4162}}};
constexpr std::array<Coefficients, 4> kAolOld{
    {{4.0098, -7.0585, 2.4635}, {3.4585, -5.5479, 2.5959}, {2.7573, -3.2939, 1.4254}, {2.7215, -3.0494, 1.3169}}};
constexpr std::array<Coefficients, 4> kAolNew{
    {{4.6051, -9.6552, 5.6769}, {4.7505, -6.0861, 2.1790}, {2.7763, -2.3190, 0.5523}, {2.4231, -2.2861, 0.8193}}};
constexpr Coefficients kSimple{2.0, -1.5, 0.5};
constexpr std::array<Coefficients, 10> kDeepSeekV4{
    {kJordan, kJordan, kJordan, kJordan, kJordan, kJordan, kJordan, kJordan, kSimple, kSimple}};
constexpr std::array<Coefficients, 5> kCubic5{{{3.3656576, -3.3420992, 0.0},
                                               {2.5744352, -1.4957376, 0.0},
                                               {2.5368962, -1.4312570, 0.0},
                                               {2.4418906, -1.2764040, 0.0},
                                               {2.2230472, -0.9630650, 0.0}}};
constexpr std::array kSimpleRows{kSimple};
constexpr std::array kTaylor3{Coefficients{1.5, -0.5, 0.0}};
constexpr std::array kTaylor5{kClosing};
constexpr std::array<Coefficients, 5> kTight5{{{8.01230000296708, -21.697503361364, 15.242091954667},
                                               {3.90859285737254, -2.71090986823132, 0.487744042869626},
                                               {3.48360986003318, -2.50797110241096, 0.479743162498422},
                                               {2.51570883865366, -1.78880558333357, 0.402040918600086},
                                               {1.93985995160227, -1.32032152309206, 0.382098695801394}}};
constexpr std::array<Coefficients, 5> kTight5s{{{7.78337714573945, -19.8903480376688, 13.1855709760416},
                                                {3.80085770787911, -2.48597173826994, 0.421786828662702},
                                                {3.41531891958997, -2.31969316162377, 0.417138523051314},
                                                {2.50946846025663, -1.68922887295114, 0.352754182155725},
                                                {1.9692526230335, -1.35115999031888, 0.385251042254623}}};
constexpr std::array<Coefficients, 5> kFlat5{{{7.87143562651037, -20.9372551026246, 14.6273503557893},
                                              {3.78597513207121, -2.61966300286142, 0.476094559883321},
                                              {3.17818094943929, -2.29087811693807, 0.456083682038899},
                                              {2.2093582982606, -1.53250681112504, 0.375167740339727},
                                              {1.8898303657681, -1.26638129500122, 0.376641867784941}}};
constexpr std::array<Coefficients, 4> kFast4{{{7.6435354893737, -19.9662440180848, 13.8703514844314},
                                              {3.56304383072695, -2.51536298377984, 0.472246959012634},
                                              {2.67774035210912, -1.91681658569485, 0.415687845338131},
                                              {1.9856649081741, -1.36813307387461, 0.386995518138497}}};

constexpr std::array<CoefficientSet, 22> kSets{{
    {"jordan", kJordanRows, 5, false, "KellerJordan/Muon"},
    {"you5", kYou5, 5, false, "J. You; optax, dion, Emerging-Optimizers (quintic)"},
    {"you6", kYou6, 6, false, "J. You; modula"},
    {"polar_express", kPolarExpress, 5, false, "Polar Express, rows 1-7 scaled by 1.01"},
    {"polar_express_105", kPolarExpress105, 5, false,
     "Polar Express, rows 1-5 scaled by 1.05 (gram-newton-schulz, dmuon)"},
    {"pe_repo", kPolarExpressRepository, 10, false, "NoahAmsel/PolarExpress"},
    {"pe_eo", kPolarExpressEo, 5, false, "Emerging-Optimizers, polar_express"},
    {"mod", kMod, 5, false, "modded-nanogpt, dion, nanochat"},
    {"mod8", kMod8, 8, false, "timm, polar_express_safer"},
    {"aol_new", kAolNew, 4, false, "flash-newton-schulz, dion"},
    {"deepseekv4", kDeepSeekV4, 10, false, "Emerging-Optimizers"},
    {"simple12", kSimpleRows, 12, false, "modded-nanogpt, track 3 baseline"},
    {"tight5", kTight5, 5, false, "generated: l 3e-3, T 5, safety .02, cushion .03"},
    {"tight5s", kTight5s, 5, false, "generated: l 3e-3, T 5, safety .05, cushion .03"},
    {"flat5", kFlat5, 5, false, "generated: l 5e-3, T 5, safety .02, cushion .04"},
    {"fast4", kFast4, 4, false, "generated: l 1e-2, T 4, safety .02, cushion .05; for the Schatten-4 norm"},
    {"taylor3", kTaylor3, 18, false, "Taylor cubic; modula"},
    {"taylor5", kTaylor5, 12, false, "Taylor quintic; modula"},
    {"pe_raw", kPolarExpressRaw, 5, true, "Polar Express without its safety factor: diverges above 1"},
    {"cans", kCans, 5, true, "CANS: diverges above 1"},
    {"aol_old", kAolOld, 4, true, "Emerging-Optimizers, aol: negative between 0.884 and 1.1"},
    {"cubic5", kCubic5, 5, true, "arXiv 2606.00371: negative above 1.0035"},
}};

std::string failure(double x, double y) {
  char text[160];
  const char* what = !std::isfinite(y) ? "is not finite" : y <= 0 ? "flips the sign" : "exceeds 2";
  std::snprintf(text, sizeof text, "p(x) %s at x = %.6g (p = %.4g): the coefficients are not safe there", what, x, y);
  return text;
}

}  // namespace

std::span<const CoefficientSet> coefficient_sets() { return kSets; }

std::vector<std::string> coefficient_set_names() {
  std::vector<std::string> names;
  for (const CoefficientSet& set : kSets) names.emplace_back(set.name);
  return names;
}

const CoefficientSet* find_coefficient_set(std::string_view name) {
  if (name == "quintic" || name == "dion") name = "you5";
  const auto* const found =
      std::find_if(kSets.begin(), kSets.end(), [&](const CoefficientSet& set) { return set.name == name; });
  return found == kSets.end() ? nullptr : found;
}

std::vector<Coefficients> coefficient_set(std::string_view name, int steps) {
  const CoefficientSet* set = find_coefficient_set(name);
  if (set == nullptr) {
    std::string message = "coefficient_set: no set is called '" + std::string(name) + "'; there are";
    for (const CoefficientSet& known : kSets) message += " " + std::string(known.name);
    throw std::invalid_argument(message);
  }
  if (steps < 0)
    throw std::invalid_argument("coefficient_set: steps must not be negative, got " + std::to_string(steps));
  const auto count = static_cast<std::size_t>(steps == 0 ? set->default_steps : steps);
  std::vector<Coefficients> rows;
  rows.reserve(count);
  for (std::size_t i = 0; i < count; ++i) rows.push_back(set->rows[std::min(i, set->rows.size() - 1)]);
  return rows;
}

double evaluate(std::span<const Coefficients> rows, double x) {
  for (const Coefficients& r : rows) {
    const double square = x * x;
    x *= r.a + square * (r.b + square * r.c);
  }
  return x;
}

std::string check_coefficients(std::span<const Coefficients> rows, double delta) {
  if (rows.empty()) throw std::invalid_argument("check_coefficients: there are no rows");
  if (!(delta >= 0) || !std::isfinite(delta))
    throw std::invalid_argument("check_coefficients: delta must be finite and not negative");
  constexpr int kLog = 1 << 16;
  constexpr int kLinear = 4097;
  const double lowest = std::log(1e-7);
  for (int i = 0; i < kLog + kLinear; ++i) {
    const double x = i < kLog ? std::exp(lowest * (1.0 - static_cast<double>(i) / (kLog - 1)))
                              : 1.0 + delta * static_cast<double>(i - kLog) / (kLinear - 1);
    const double y = evaluate(rows, x);
    if (!(y > 0 && y <= 2)) return failure(x, y);  // NaN fails too
  }
  return {};
}

}  // namespace switchyard::kernels
