#pragma once

#include <string_view>

namespace stampede::bench {

// plot_report.html as the build found it. "{{data}}" marks where the figures go.
extern const std::string_view kPlotPage;

}  // namespace stampede::bench
