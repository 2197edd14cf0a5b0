// Package thirdparty carries the recipe of third_party/mlx-c, so that a program that was built
// from this module elsewhere can run it without a checkout.
package thirdparty

import "embed"

// Recipe holds mlx-c/build.sh and what it reads, at their places in third_party.
//
//go:embed steps.sh mlx-c/build.sh mlx-c/format.h mlx-c/requirements mlx-c/sources.sha256 mlx-c/source
var Recipe embed.FS
