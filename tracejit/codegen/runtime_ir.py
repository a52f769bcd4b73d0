"""Small runtime routines in LLVM IR, compiled once and shared by all kernels (see :mod:`tracejit.codegen.support`).

Buffers that a kernel allocates are listed in a table in its frame, so that a failing check frees what is alive, and
`free` of a buffer that is not in the table (an argument's) does nothing. The table is ``{ i64 count, i64 capacity, ptr
items }`` followed by the first items; it moves to the heap when it overflows. A kernel that allocates in its straight
line only and frees nothing needs no table.
"""

from __future__ import annotations

from tracejit.codegen.writer import ModuleText

TABLE = "{ i64, i64, ptr, [16 x ptr] }"
INLINE_ITEMS = 16

HUGE_PAGES_FROM = 1 << 22
"""Buffers of at least so many bytes are put on huge pages where the system has them, as NumPy does."""

SMALL = 1024
"""Buffers of at most so many bytes come from plain ``malloc``, which keeps such blocks at hand: an aligned block costs
ten times as much, and alignment gains nothing over so few elements."""

BIG = 1 << 20
"""Buffers of at least so many bytes come from plain ``malloc``, too: memory bounds loops over them however they are
aligned, and glibc (before 2.38) does not give the place of a freed aligned block to another of its size, so that a loop
that makes a new array each turn would need seven of them."""

_NEW = """\
define noalias ptr @tj_new(i64 %count, i64 %size) noinline nounwind {{
entry:
  %possible = icmp ult i64 %count, 288230376151711744
  br i1 %possible, label %sized, label %failed
sized:
  %exact = mul nuw i64 %count, %size
  %more = add nuw i64 %exact, 63
  %whole = and i64 %more, -64
  %bytes = call i64 @llvm.umax.i64(i64 %whole, i64 64)
  %small = icmp ule i64 %bytes, {small}
  %big = icmp uge i64 %bytes, {big}
  %unaligned = or i1 %small, %big
  br i1 %unaligned, label %plain, label %aligned
plain:
  %p.plain = call ptr @malloc(i64 %bytes)
  br label %got
aligned:
  %p.aligned = call ptr @aligned_alloc(i64 64, i64 %bytes)
  br label %got
got:
  %p = phi ptr [ %p.plain, %plain ], [ %p.aligned, %aligned ]
  %none = icmp eq ptr %p, null
  br i1 %none, label %failed, label %advise
advise:
  %large = icmp uge i64 %bytes, {huge}
  br i1 %large, label %pages, label %done
pages:
  %address = ptrtoint ptr %p to i64
  %above = add i64 %address, 4095
  %page = and i64 %above, -4096
  %skipped = sub i64 %page, %address
  %length = sub i64 %bytes, %skipped
  %at = getelementptr inbounds i8, ptr %p, i64 %skipped
  %advised = call i32 @madvise(ptr %at, i64 %length, i32 14)
  br label %done
done:
  ret ptr %p
failed:
  ret ptr null
}}"""

_ALLOC = """\
define noalias ptr @tj_alloc(ptr %table, i64 %count, i64 %size) noinline nounwind {
entry:
  %p = call ptr @tj_new(i64 %count, i64 %size)
  %none = icmp eq ptr %p, null
  br i1 %none, label %failed, label %enter
enter:
  %n = load i64, ptr %table
  %capacity.at = getelementptr inbounds i8, ptr %table, i64 8
  %capacity = load i64, ptr %capacity.at
  %items.at = getelementptr inbounds i8, ptr %table, i64 16
  %items = load ptr, ptr %items.at
  %full = icmp eq i64 %n, %capacity
  br i1 %full, label %grow, label %put
grow:
  %twice = shl i64 %capacity, 1
  %item.bytes = shl i64 %twice, 3
  %larger = call ptr @malloc(i64 %item.bytes)
  %nothing = icmp eq ptr %larger, null
  br i1 %nothing, label %undo, label %move
undo:
  call void @free(ptr %p)
  br label %failed
move:
  %old.bytes = shl i64 %capacity, 3
  call void @llvm.memcpy.p0.p0.i64(ptr %larger, ptr %items, i64 %old.bytes, i1 false)
  %inline = getelementptr inbounds i8, ptr %table, i64 24
  %was.inline = icmp eq ptr %items, %inline
  br i1 %was.inline, label %moved, label %drop
drop:
  call void @free(ptr %items)
  br label %moved
moved:
  store ptr %larger, ptr %items.at
  store i64 %twice, ptr %capacity.at
  br label %put
put:
  %to = phi ptr [ %items, %enter ], [ %larger, %moved ]
  %slot = getelementptr inbounds ptr, ptr %to, i64 %n
  store ptr %p, ptr %slot
  %n1 = add nuw i64 %n, 1
  store i64 %n1, ptr %table
  ret ptr %p
failed:
  ret ptr null
}"""

_FREE = """\
define void @tj_free(ptr %table, ptr %p) noinline nounwind {
entry:
  %n = load i64, ptr %table
  %items.at = getelementptr inbounds i8, ptr %table, i64 16
  %items = load ptr, ptr %items.at
  br label %next
next:
  %left = phi i64 [ %n, %entry ], [ %k, %look ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %absent, label %look
look:
  %k = add nsw i64 %left, -1
  %slot = getelementptr inbounds ptr, ptr %items, i64 %k
  %item = load ptr, ptr %slot
  %found = icmp eq ptr %item, %p
  br i1 %found, label %remove, label %next
remove:
  %last = add nsw i64 %n, -1
  %last.slot = getelementptr inbounds ptr, ptr %items, i64 %last
  %last.item = load ptr, ptr %last.slot
  store ptr %last.item, ptr %slot
  store i64 %last, ptr %table
  call void @free(ptr %p)
  ret void
absent:
  ret void
}"""

_FORGET = """\
define void @tj_forget(ptr %table) noinline nounwind {
entry:
  %items.at = getelementptr inbounds i8, ptr %table, i64 16
  %items = load ptr, ptr %items.at
  %inline = getelementptr inbounds i8, ptr %table, i64 24
  %is.inline = icmp eq ptr %items, %inline
  br i1 %is.inline, label %done, label %drop
drop:
  call void @free(ptr %items)
  br label %done
done:
  ret void
}"""

_RELEASE = """\
define void @tj_release(ptr %table) noinline cold nounwind {
entry:
  %n = load i64, ptr %table
  %items.at = getelementptr inbounds i8, ptr %table, i64 16
  %items = load ptr, ptr %items.at
  br label %next
next:
  %left = phi i64 [ %n, %entry ], [ %k, %one ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %all, label %one
one:
  %k = add nsw i64 %left, -1
  %slot = getelementptr inbounds ptr, ptr %items, i64 %k
  %item = load ptr, ptr %slot
  call void @free(ptr %item)
  br label %next
all:
  call void @tj_forget(ptr %table)
  ret void
}"""


ALLOCATOR = {
    "tj_new": ("noalias ptr", "i64, i64"),
    "tj_alloc": ("noalias ptr", "ptr, i64, i64"),
    "tj_free": ("void", "ptr, ptr"),
    "tj_forget": ("void", "ptr"),
    "tj_release": ("void", "ptr"),
}
"""Result and parameter types: ``tj_new(count, size)`` gives null when there is no room, and so does
``tj_alloc(table, count, size)``, which enters the buffer into the table; ``tj_free(table, p)``;
``tj_forget(table)`` when the program is done (what the table still lists belongs to the caller); ``tj_release(table)``
frees everything."""


def need(module: ModuleText, symbol: str) -> str:
    """Declare a routine of :data:`ALLOCATOR`; its name with an ``@``."""
    module.need(symbol, *ALLOCATOR[symbol], " nounwind")
    return f"@{symbol}"


ROUTINES = {
    "tj_new": _NEW.format(huge=HUGE_PAGES_FROM, small=SMALL, big=BIG),
    "tj_alloc": _ALLOC,
    "tj_free": _FREE,
    "tj_forget": _FORGET,
    "tj_release": _RELEASE,
}
"""The definitions of :data:`ALLOCATOR`."""

LIBRARY = """\
declare noalias ptr @aligned_alloc(i64, i64) nounwind
declare noalias ptr @malloc(i64) nounwind
declare void @free(ptr) nounwind
declare i32 @madvise(ptr, i64, i32) nounwind
declare i64 @llvm.umax.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
"""What they call."""
