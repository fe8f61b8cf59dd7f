// Package docs holds the documentation, so that the console can show it where there is no internet.
package docs

import "embed"

// Files are the pages, in Markdown.
//
//go:embed *.md
var Files embed.FS
