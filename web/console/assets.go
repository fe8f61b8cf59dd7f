package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the stylesheet, the script and the icon.
type assets struct {
	files map[string]asset
}

type asset struct {
	data          []byte
	typ, checksum string
}

func newAssets() *assets {
	a := &assets{files: make(map[string]asset)}
	entries, _ := assetFiles.ReadDir("assets") // they are part of the program
	types := map[string]string{".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
	for _, e := range entries {
		data, _ := assetFiles.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(data)
		a.files[e.Name()] = asset{
			data: data, checksum: hex.EncodeToString(sum[:8]),
			typ: mime.FormatMediaType(types[path.Ext(e.Name())], map[string]string{"charset": "utf-8"}),
		}
	}
	return a
}

// link is the address of an asset. It changes with its content, so that browsers may keep what they have.
func (a *assets) link(name string) (string, error) {
	f, ok := a.files[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return "assets/" + name + "?" + f.checksum, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[strings.TrimPrefix(r.URL.Path, "/assets/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	secure(h)
	h.Set("Content-Type", f.typ)
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == f.checksum {
		h.Set("Cache-Control", "max-age=31536000, immutable")
	}
	_, _ = w.Write(f.data)
}
