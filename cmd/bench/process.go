package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const startTimeout = 10 * time.Second

// process is a program that the benchmark started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startProcess starts a program and returns once ready has accepted a line of
// its output. What it writes later is read and dropped, as a collector of logs
// would read it.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready func(line []byte) bool) (*process, error) {
	output, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = endWithParent()
	err = cmd.Start()
	_ = write.Close() // the program has its own copy
	if err != nil {
		_ = output.Close()
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(p.exited)
	}()
	started := make(chan error, 1)
	go func() {
		defer func() { _ = output.Close() }()
		started <- readUntil(bufio.NewReader(output), ready)
		_, _ = io.Copy(io.Discard, output)
	}()
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(startTimeout):
		err = errors.New("not ready in time")
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

// readUntil reads up to the line that ready accepts. A program that ends
// before has explained itself in what it wrote.
func readUntil(output *bufio.Reader, ready func(line []byte) bool) error {
	var said []byte
	for {
		line, err := output.ReadBytes('\n')
		if err == nil && ready(line) {
			return nil
		}
		said = append(said, line...)
		if err != nil {
			return fmt.Errorf("it ended: %s", said)
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end ends the program at once.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // gone already: the wait below returns at once
	<-p.exited
}
