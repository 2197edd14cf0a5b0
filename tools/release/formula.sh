#!/bin/sh
# formula.sh writes dist/mlxlens.rb, the formula of a Homebrew tap, for the version that is its
# first argument: it builds the source archive of `make source`, which the release has, and takes
# MLX from Homebrew's mlx-c.
set -eu
cd "$(dirname "$0")/../.."
version=$1
source=dist/mlxlens-$version-source.tar.gz
[ -f "$source" ] || { echo "formula.sh: $source is not there: make source" >&2; exit 1; }
if command -v sha256sum >/dev/null; then sum=$(sha256sum "$source"); else sum=$(shasum -a 256 "$source"); fi
case $version in
v[0-9]*.[0-9]*) own= ;; # Homebrew reads it in the address
*) own="
  version \"0.0.0-g$version\"" ;;
esac
cat >dist/mlxlens.rb <<RUBY
class Mlxlens < Formula
  desc "Logit lens for language models on MLX"
  homepage "https://github.com/mlxlens/mlxlens"
  url "https://github.com/mlxlens/mlxlens/releases/download/$version/mlxlens-$version-source.tar.gz"$own
  sha256 "${sum%% *}"
  license "MIT"

  depends_on "go" => :build
  depends_on arch: :arm64
  depends_on :macos
  depends_on "mlx-c"

  def install
    ENV["CGO_ENABLED"] = "0"
    ldflags = "-s -w -X github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli.version=$version"
    system "go", "build", *std_go_args(ldflags: ldflags), "./cmd/mlxlens"
    system "go", "run", "./cmd/mlxlens/internal/pages", "man", "man"
    man1.install Dir["man/*.1"]
    generate_completions_from_executable(bin/"mlxlens", "completion")
  end

  test do
    assert_match "$version", shell_output("#{bin}/mlxlens version")
    system bin/"mlxlens", "help", "sites"
  end
end
RUBY
echo dist/mlxlens.rb
