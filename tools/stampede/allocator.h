#pragma once

namespace stampede::tools {

// Has the allocator give memory that this thread freed back to the system, at once and as long as
// it `is_short`; else it may keep some for later, which is quicker. May take a millisecond. Thread:
// any.
void return_memory(bool is_short);

}  // namespace stampede::tools
