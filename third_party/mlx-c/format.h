/* std::format for "{}" alone, where the compiler has C++20 but no <format> (GCC 12).
 * Forced into every file of mlx-c by build.sh; one of its private headers uses it
 * to put text and numbers into messages. */
#if defined(__cplusplus) && !__has_include(<format>)
#include <sstream>
#include <string>
#include <string_view>

namespace std {

inline void mlxlens_put(ostringstream& out, string_view text) {
  out << text;
}

template <typename First, typename... Rest>
void mlxlens_put(ostringstream& out, string_view text, const First& first, const Rest&... rest) {
  const auto place = text.find("{}");
  out << text.substr(0, place);
  if (place == string_view::npos) {
    return;
  }
  out << first;
  mlxlens_put(out, text.substr(place + 2), rest...);
}

template <typename... Args>
string format(string_view text, const Args&... args) {
  ostringstream out;
  mlxlens_put(out, text, args...);
  return out.str();
}

} // namespace std
#endif
