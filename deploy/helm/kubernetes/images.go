package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	repository = "registry.example.com/sms-verification"
	firstTag   = "20260101" // digits only, which YAML reads as a number
	secondTag  = "20260102"
	pauseImage = "registry.example.com/pause:1"
)

// writeImages writes the images of the pods to a file: the service under two
// tags, and the program that keeps a pod's namespaces.
func writeImages(file string) error {
	images := map[name.Reference]v1.Image{}
	for ref, program := range map[string]string{
		repository + ":" + firstTag: "sms-verification", repository + ":" + secondTag: "sms-verification", pauseImage: "pause",
	} {
		tag, err := name.NewTag(ref)
		if err != nil {
			return err
		}
		if images[tag], err = image(program, ref); err != nil {
			return err
		}
	}
	return tarball.MultiRefWriteToFile(file, images)
}

// image makes an image like that of the Dockerfile. The label distinguishes images of the same program.
func image(program, label string) (v1.Image, error) {
	content, err := os.ReadFile(filepath.Join(bin, program))
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	err = errors.Join(err, w.WriteHeader(&tar.Header{Name: program, Mode: 0o755, Size: int64(len(content))}))
	_, written := w.Write(content)
	if err := errors.Join(err, written, w.Close()); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: v1.Config{
		Entrypoint: []string{"/" + program}, User: "65532:65532", Labels: map[string]string{"org.opencontainers.image.ref.name": label},
	}})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(base, layer)
}
