#pragma once

#include <string>

namespace corbel {

/// The style sheet of the report: light and dark (by the reader's preference or by `data-theme` on the root), phone,
/// print. Names no resource outside the page. Colours of data are those of Okabe and Ito (2008), told apart by people
/// with any colour vision, and every series also differs in shape.
std::string report_style();

/// The style sheet of a figure in a file of its own, in the same colours.
std::string figure_style();

/// The script of the report: the light/dark switch and quick tooltips. The page is whole without it.
std::string report_script();

}  // namespace corbel
