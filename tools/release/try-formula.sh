#!/bin/sh
# try-formula.sh installs what dist/mlxlens.rb describes with Homebrew, from the source archive in dist/ instead of the release
# that is not there yet, and tests it. Homebrew takes formulae from taps alone: it makes one, mlxlens/trial, and takes it away again.
set -eu
cd "$(dirname "$0")/../.."
[ -f dist/mlxlens.rb ] || { echo "try-formula.sh: dist/mlxlens.rb is not there: make source formula" >&2; exit 1; }
archive=$(sed -n 's|^  url ".*/\(.*\)"$|\1|p' dist/mlxlens.rb)
[ -f "dist/$archive" ] || { echo "try-formula.sh: dist/$archive, which the formula names, is not there: make source formula" >&2; exit 1; }
brew tap-new --no-git mlxlens/trial >/dev/null
trap 'brew uninstall --force mlxlens >/dev/null 2>&1 || true; brew untap mlxlens/trial' EXIT
# a folder's name may have what no address has, such as blanks: as its bytes
address=$PWD/dist/$archive LC_ALL=C awk '
	BEGIN {
		for (i = 1; i < 256; i++) byte[sprintf("%c", i)] = i
		for (i = 1; i <= length(ENVIRON["address"]); i++) {
			c = substr(ENVIRON["address"], i, 1)
			url = url (c ~ /[A-Za-z0-9\/._~-]/ ? c : sprintf("%%%02X", byte[c]))
		}
	}
	/^  url / { print "  url \"file://" url "\""; next }
	{ print }
' dist/mlxlens.rb >"$(brew --repository mlxlens/trial)/Formula/mlxlens.rb"
brew install mlxlens/trial/mlxlens
brew test mlxlens/trial/mlxlens
