// The functions of LibTorch's fmt. LibTorch ships fmt's headers without its library; compiling them once here spares
// every other file three seconds of compiling them again (FMT_HEADER_ONLY).
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE

template FMT_API locale_ref::locale_ref(const std::locale& loc);
template FMT_API auto locale_ref::get<std::locale>() const -> std::locale;

namespace detail {

template FMT_API auto dragonbox::to_decimal(float x) noexcept -> dragonbox::decimal_fp<float>;
template FMT_API auto dragonbox::to_decimal(double x) noexcept -> dragonbox::decimal_fp<double>;
template FMT_API auto thousands_sep_impl<char>(locale_ref loc) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl<char>(locale_ref loc) -> char;

}  // namespace detail

FMT_END_NAMESPACE
