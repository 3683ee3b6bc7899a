#pragma once

namespace stampede::tools {

// From now on the program ends with a line on stderr when an allocation fails. A shard that has no
// memory for a client has none for the others either, and none to say goodbye with; what it was
// about is half done, and an exception would only end the program without saying why.
void end_when_out_of_memory();

}  // namespace stampede::tools
