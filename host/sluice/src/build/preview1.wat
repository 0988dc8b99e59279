;; What Go's runtime asks of WASI preview 1, answered without WASI: nothing of the machine is there. The time is the host's
;; clock, random bytes are the host's, standard output and error are lines of the server's log; files and arguments are
;; none. The clock that only goes forward is counted, so that a sink runs the same everywhere; who sleeps wakes at once.
;;
;; Own memory: below 4096, which Go leaves alone (the build looks). 16: a list that the host returns. 64: the line under way.
(module
  (import "sluice:sink/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
  (import "sluice:sink/clock@0.1.0" "now" (func $now (result f64)))
  (import "sluice:sink/random@0.1.0" "bytes" (func $random (param i32 i32)))
  (import "env" "memory" (memory 0))

  (global $counted (mut i64) (i64.const 0))
  (global $seeded (mut i32) (i32.const 0))
  (global $buffer (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))

  ;; The host's random bytes go straight to where they were asked for.
  (func (export "cabi_import_realloc") (param i32 i32 i32 i32) (result i32) (global.get $buffer))

  ;; The first bytes seed Go's maps while the instance starts, when no host function may be called; they only spread keys.
  ;; All later ones are the host's, 4096 in a call.
  (func (export "random_get") (param $at i32) (param $left i32) (result i32) (local $part i32)
    (if (i32.eqz (global.get $seeded)) (then
      (global.set $seeded (i32.const 1))
      (return (i32.const 0))))
    (loop $more
      (if (i32.eqz (local.get $left)) (then (return (i32.const 0))))
      (local.set $part (select (i32.const 4096) (local.get $left) (i32.gt_u (local.get $left) (i32.const 4096))))
      (global.set $buffer (local.get $at))
      (call $random (local.get $part) (i32.const 16))
      (local.set $at (i32.add (local.get $at) (local.get $part)))
      (local.set $left (i32.sub (local.get $left) (local.get $part)))
      (br $more))
    (unreachable))

  ;; Clock 0 is the time of day; any other counts a microsecond for each question.
  (func (export "clock_time_get") (param $clock i32) (param i64) (param $out i32) (result i32)
    (if (i32.eqz (local.get $clock))
      (then (i64.store (local.get $out) (i64.mul (i64.trunc_sat_f64_s (call $now)) (i64.const 1000000))))
      (else
        (global.set $counted (i64.add (global.get $counted) (i64.const 1000)))
        (i64.store (local.get $out) (global.get $counted))))
    (i32.const 0))
  (func (export "clock_res_get") (param i32) (param $out i32) (result i32)
    (i64.store (local.get $out) (i64.const 1000))
    (i32.const 0))

  ;; The first subscription happens: it is the timer, if there is one, and the counted clock jumps there.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param i32) (param $happened i32) (result i32)
    (if (i32.eqz (i32.load8_u offset=8 (local.get $in))) (then
      (global.set $counted (select
        (i64.load offset=24 (local.get $in))
        (i64.add (global.get $counted) (i64.load offset=24 (local.get $in)))
        (i32.load16_u offset=40 (local.get $in))))))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i32.store16 offset=8 (local.get $out) (i32.const 0))
    (i32.store8 offset=10 (local.get $out) (i32.load8_u offset=8 (local.get $in)))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i64.store offset=24 (local.get $out) (i64.const 0))
    (i32.store (local.get $happened) (i32.const 1))
    (i32.const 0))

  ;; Bytes gather from 64 to 4096 until a line ends or is too long; then it is logged, as an error if it went to 2.
  (func $flush (param $level i32)
    (if (global.get $length) (then
      (call $log (local.get $level) (i32.const 64) (global.get $length) (i32.const 64) (i32.const 0))
      (global.set $length (i32.const 0)))))
  (func $put (param $byte i32) (param $level i32)
    (if (i32.eq (local.get $byte) (i32.const 10)) (then (call $flush (local.get $level)) (return)))
    ;; Of bytes that are no ASCII the log would have to be UTF-8, which a line that was cut is not.
    (i32.store8 (i32.add (i32.const 64) (global.get $length))
      (select (local.get $byte) (i32.const 63) (i32.lt_u (local.get $byte) (i32.const 128))))
    (global.set $length (i32.add (global.get $length) (i32.const 1)))
    (if (i32.eq (global.get $length) (i32.const 4032)) (then (call $flush (local.get $level)))))
  (func (export "fd_write") (param $fd i32) (param $list i32) (param $count i32) (param $written i32) (result i32)
    (local $at i32) (local $end i32) (local $sum i32) (local $level i32)
    (local.set $level (select (i32.const 4) (i32.const 2) (i32.eq (local.get $fd) (i32.const 2))))
    (loop $lists
      (if (local.get $count) (then
        (local.set $at (i32.load (local.get $list)))
        (local.set $end (i32.add (local.get $at) (i32.load offset=4 (local.get $list))))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $list))))
        (loop $bytes
          (if (i32.lt_u (local.get $at) (local.get $end)) (then
            (call $put (i32.load8_u (local.get $at)) (local.get $level))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $bytes))))
        (local.set $list (i32.add (local.get $list) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $lists))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))
  (func (export "proc_exit") (param i32) (call $flush (i32.const 4)) (unreachable))

  ;; Nothing is there to count or to copy.
  (func $none (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $copied (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $copied))
  (export "environ_get" (func $copied))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; Three descriptors, which read nothing; every other is 8, `badf`, and what else there might be to do is 52, `nosys`.
  (func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $out) (i64.const 2))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (i32.const 0))
  (func (export "fd_read") (param i32 i32 i32) (param $read i32) (result i32)
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 52))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 52))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 52))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 52))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 52))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 52))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52)))
