package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/migrate/documents"
)

// maxDocuments bounds how many files one directory is searched for.
const maxDocuments = 100_000

// documentExtensions are those of files that are looked for in directories, .erb after them left out.
var documentExtensions = []string{".json", ".yml", ".yaml"}

// documentFile is a file that an argument names, or one in a directory that it names.
type documentFile struct {
	name string
	// within is the name without that of the directory.
	within string
	// found says that the file was found in a directory: it need not be a document.
	found bool
}

// documentFiles finds dashboards and rule files: each argument is one, or a directory with such files at any depth. Of
// symbolic links in directories those to files are followed. What is hidden is left out: besides .git these are the
// copies that Kubernetes makes of a mounted ConfigMap.
func documentFiles(args []string) ([]documentFile, error) {
	var files []documentFile
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, documentFile{name: arg, within: filepath.Base(arg)})
			continue
		}
		before := len(files)
		// With the separator a link to a directory is that directory.
		root := arg + string(filepath.Separator)
		err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			hidden := name != root && strings.HasPrefix(entry.Name(), ".")
			switch {
			case hidden && entry.IsDir():
				return filepath.SkipDir
			case hidden, entry.IsDir(), !slices.Contains(documentExtensions, filepath.Ext(strings.TrimSuffix(name, ".erb"))):
				return nil
			case len(files) == maxDocuments:
				return fmt.Errorf("%s: more than %d files", arg, maxDocuments)
			}
			within, err := filepath.Rel(arg, name)
			files = append(files, documentFile{name: name, within: within, found: true})
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no files that end in .json, .yml or .yaml, or so before .erb, are in it", arg)
		}
	}
	return files, nil
}

// read reads a document. Errors name the file.
func (f *documentFile) read() (*documents.Document, error) {
	text, err := boundedfile.Read(f.name, documents.MaxBytes)
	if err != nil {
		return nil, err
	}
	return documents.Read(f.name, text)
}
