package tasks

import "syscall"

func init() { attributes.Pdeathsig = syscall.SIGKILL } // a task ends with this program, however that ends
