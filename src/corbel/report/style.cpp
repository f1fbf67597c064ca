#include "corbel/report/style.hpp"

#include <string_view>

namespace corbel {
namespace {

constexpr std::string_view light = R"(color-scheme:light;--page:#f4f5f7;--paper:#fff;--ink:#18212c;--soft:#5b6776;
--line:#d9dee5;--grid:#e8ebef;--track:#edf0f3;--accent:#0060a0;--good:#00734f;--good-paper:#e2f3ec;--warn:#8a5200;
--warn-paper:#fdf0d8;--bad:#a8380f;--bad-paper:#fbe6de;--forbidden:#7a869414;--logged:#6f7f92;--over:#c3cad3;
--predicted:#d55e00;--true:#0072b2;--chosen:#009e73;--bar:#d98a3d;)";

constexpr std::string_view dark = R"(color-scheme:dark;--page:#0f141a;--paper:#171e26;--ink:#e6ebf1;--soft:#9aa7b5;
--line:#2d3844;--grid:#25303b;--track:#232d37;--accent:#6cb8ee;--good:#4fd0a4;--good-paper:#12352b;--warn:#f0b858;
--warn-paper:#3a2c10;--bad:#f3906a;--bad-paper:#41210f;--forbidden:#9aa7b516;--logged:#8b9bad;--over:#46525f;
--predicted:#f0923f;--true:#56b4e9;--chosen:#2fd3a0;--bar:#c57f3a;)";

constexpr std::string_view rules = R"(
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
Arial,sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:1200px;margin:0 auto;padding:0 20px}
header{display:flex;align-items:flex-start;justify-content:space-between;gap:20px;padding-top:26px;padding-bottom:6px}
header p{margin:0}
h1{font-size:25px;line-height:1.25;margin:2px 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:19px;line-height:1.3;margin:0 0 14px;letter-spacing:-.005em}
h3{font-size:15px;margin:0 0 6px}
h4{font-size:13px;margin:0 0 4px;overflow-wrap:anywhere}
h3+p,h2+p{margin-top:0}
section p.soft{font-size:13.5px}
.tiles code{display:inline-block}
p{max-width:75ch}
small,.soft{color:var(--soft)}
small{font-weight:400;font-size:.88em}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
pre{background:var(--track);padding:10px 12px;border-radius:6px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
button{font:inherit;font-size:13px;color:var(--soft);background:var(--paper);border:1px solid var(--line);border-radius:6px;
padding:4px 12px;cursor:pointer;white-space:nowrap}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:22px 24px;margin:16px 0}
.columns{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:28px 36px;align-items:start}
.columns.wide-left{grid-template-columns:minmax(0,16fr) minmax(0,13fr)}
.verdict{font-size:20px;line-height:1.4;margin:0 0 14px;max-width:none}
.pill{display:inline-block;font-size:12.5px;font-weight:600;line-height:1.3;padding:3px 10px;border-radius:99px;margin:0 0 10px}
.pill.good{color:var(--good);background:var(--good-paper)}
.pill.warn{color:var(--warn);background:var(--warn-paper)}
.pill.bad{color:var(--bad);background:var(--bad-paper)}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:0 0 20px}
.tiles div{border:1px solid var(--line);border-radius:8px;padding:9px 12px;flex:1 1 150px}
.tiles div:first-child:nth-last-child(4),.tiles div:first-child:nth-last-child(4)~div{flex-basis:40%}
.tiles b{display:block;font-size:21px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tiles span{display:block;font-size:12.5px;line-height:1.35;color:var(--soft)}
.facts{display:flex;flex-wrap:wrap;gap:1px;background:var(--line);border:1px solid
var(--line);border-radius:10px;overflow:hidden;margin:16px 0}
.facts div{background:var(--paper);padding:10px 14px;flex:1 1 auto}
.facts b{display:block;font-size:17px;font-variant-numeric:tabular-nums;white-space:nowrap}
.facts span{display:block;font-size:12.5px;line-height:1.35;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.4}
th{font-size:12.5px;font-weight:600;color:var(--soft);text-align:left;vertical-align:bottom;border-bottom:1px solid var(--line);
padding:4px 12px 6px 0}
td{padding:6px 12px 6px 0;border-bottom:1px solid var(--grid);vertical-align:top}
td:last-child,th:last-child{padding-right:0}
tr:last-child td{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr.has-note td{border-bottom:0;padding-bottom:0}
tr.note td{padding-top:0;padding-bottom:8px;color:var(--soft);font-size:12.5px}
tr.note b{color:var(--ink);font-weight:600}
tr.chosen td{background:var(--good-paper)}
tr.chosen td:first-child{box-shadow:-8px 0 0 var(--good-paper)}
tr.total td{border-top:1px solid var(--line)}
tr.rule td{border-top:2px solid var(--line)}
.design td:first-child{overflow-wrap:break-word}
.design .same{color:var(--soft)}
ul{margin:0;padding:0 0 0 18px}
li{margin:0 0 6px;overflow-wrap:anywhere}
ul.unknowns{padding:0;list-style:none}
ul.unknowns li{padding:0 0 0 22px;position:relative;margin:0 0 8px}
ul.unknowns li::before{content:"?";position:absolute;left:0;top:.22em;width:15px;height:15px;border-radius:50%;font:700 10px/15px
system-ui,sans-serif;text-align:center;color:var(--warn);background:var(--warn-paper)}
.meter{display:block;width:90px;height:7px;border-radius:4px;background:var(--track);overflow:hidden;margin-top:7px}
.meter i{display:block;height:100%;background:var(--true)}
.meter.broken i{background:var(--bad)}
.broken-text{color:var(--bad);font-weight:600}
figure{margin:0;min-width:0}
figcaption{font-size:13px;color:var(--soft);margin-top:6px;max-width:75ch}
.panels{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:22px 30px;align-items:start}
.plots{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:24px 36px;align-items:start;margin-bottom:34px}
@supports(grid-template-rows:subgrid){.plots{row-gap:0}.plots figure{display:grid;grid-template-rows:subgrid;grid-row:span 4;
align-content:start}}
.block{margin-top:34px}h3.block{margin-top:24px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 8px;padding:0;font-size:13px;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:6px;margin:0}
.legend svg{width:24px;height:16px;flex:none}
.chart{display:block;width:100%;height:auto;overflow:visible}
)";

constexpr std::string_view chart_rules =
    R"(.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink);
font-variant-numeric:tabular-nums}
.chart .axis text,.chart text.soft{fill:var(--soft)}
.chart .axis .name{fill:var(--ink)}
.grid{stroke:var(--grid);fill:none}
.frame{stroke:var(--soft);fill:none}
.guide{stroke:var(--ink);stroke-width:1.3;stroke-dasharray:5 4;fill:none}
.chart .guide-label{fill:var(--ink);font-size:11.5px}
.halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.forbidden{fill:var(--forbidden)}
.identity{stroke:var(--soft);stroke-dasharray:2 3;fill:none}
.s{fill:none}
.s.logged{--c:var(--logged)}.s.over{--c:var(--over)}.s.withheld{--c:var(--logged)}.s.pareto{--c:var(--ink)}
.s.predicted{--c:var(--predicted)}.s.true{--c:var(--true)}.s.chosen{--c:var(--chosen)}.s.other,.s.loser{--c:var(--logged)}
.s.link{--c:var(--predicted)}
.s.method0{--c:#7d8793}.s.method1{--c:#d55e00}.s.method2{--c:#0072b2;stroke-dasharray:7 3}.s.method3{--c:#009e73}
.s.method4{--c:#cc79a7;stroke-dasharray:2 3}.s.method5{--c:#e69f00}.s.method6{--c:#56b4e9;stroke-dasharray:9 3 2 3}
.s.method7{--c:#8a6d3b}
.s.mark{stroke-dasharray:none}
.s.cloud{stroke:var(--c);stroke-width:4.2;stroke-linecap:round;stroke-opacity:.5}
.s.cloud.solid{stroke-opacity:.9}
.s.line{stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.s.pareto.line{stroke-width:1.3}
.s.other.line{stroke-width:1.2;stroke-opacity:.5}
.s.link.line{stroke-width:1;stroke-opacity:.55}
.s.mark{fill:var(--c);stroke:var(--paper);stroke-width:1}
.s.predicted.mark,.s.loser.mark{fill:var(--paper);stroke:var(--c);stroke-width:1.7}
.s.chosen.mark{stroke-width:1.4}
.s.band{--c:var(--true)}
.s.area{fill:var(--c);fill-opacity:.13}
.tie{stroke:var(--soft);stroke-width:.8;fill:none}
.bars .track{fill:var(--track)}.bars .bar{fill:var(--bar)}
.bars .marked text{font-weight:700}.bars .pointer{fill:var(--chosen)}
.bars .guide{stroke:var(--soft);stroke-dasharray:2 3}
)";

constexpr std::string_view more_rules = R"(details{margin-top:12px}
summary{cursor:pointer;color:var(--accent);font-size:14px;margin-bottom:8px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:5px 18px;margin:0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
footer{padding-bottom:34px;font-size:13px;color:var(--soft)}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--paper);font-size:12.5px;line-height:1.4;padding:6px
10px;border-radius:6px;white-space:pre-line;max-width:280px;font-variant-numeric:tabular-nums}
[hidden]{display:none}
@media(max-width:900px){.columns,.columns.wide-left,.plots{grid-template-columns:minmax(0,1fr)}.panels{grid-template-columns:
repeat(2,minmax(0,1fr))}}
@media(max-width:600px){main,header,footer{padding-left:12px;padding-right:12px}section{padding:16px 14px}h1{font-size:21px}
.verdict{font-size:17px}.panels{grid-template-columns:minmax(0,1fr)}.plots .chart text{font-size:14px}.tiles div{flex-basis:40%}dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:7px}.meter{width:40px}.plots figure{margin-bottom:24px}}
@media print{body{font-size:11px;background:#fff}section{border:0;padding:0;margin:14px 0}main,header,footer{max-width:none}
button{display:none}figure,tr,.tiles,.facts{break-inside:avoid}h2,h3,h4{break-after:avoid}.scroll{overflow:visible}
table{font-size:10.5px}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)";

constexpr std::string_view figure_rules = R"(svg{overflow:visible}
.ground{fill:var(--paper);stroke:var(--line)}
.chart .heading{font-size:16px;font-weight:650}
.chart .panel-heading{font-size:13px;font-weight:600}
.part{stroke:var(--paper)}
.chart .part-label{fill:#111;font-size:11px}
.p0{fill:#009e73}.p1{fill:#e69f00}.p2{fill:#56b4e9}.p3{fill:#cc79a7}.p4{fill:#f0e442}.p5{fill:#d55e00}.p6{fill:#8b9bad}
.reference{stroke:var(--ink);stroke-width:2.6;fill:none}
.reference-ground{stroke:var(--paper);stroke-width:5;fill:none}
)";

std::string variables() {
  std::string style;
  const auto add = [&](std::string_view selector, std::string_view variables, std::string_view after) {
    style.append(selector).append("{").append(variables).append("}").append(after).append("\n");
  };
  add(":root", light, "");
  add("@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light])", dark, "}");
  add("@media screen{:root[data-theme=dark]", dark, "}");
  return style;
}

}  // namespace

std::string report_style() {
  return variables().append(rules).append(chart_rules).append(more_rules);
}

std::string figure_style() {
  return variables().append(chart_rules).append(figure_rules);
}

std::string report_script() {
  return R"((() => {
const root = document.documentElement, button = document.getElementById('theme'), tip = document.getElementById('tip');
const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
const show = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
button.hidden = false;
button.onclick = () => { root.dataset.theme = isDark() ? 'light' : 'dark'; show(); };
show();
for (const title of document.querySelectorAll('svg title')) {
  const owner = title.parentNode;
  owner.setAttribute('aria-label', title.textContent);
  if (owner.tagName !== 'svg') owner.dataset.tip = title.textContent;
  title.remove();
}
document.addEventListener('pointermove', event => {
  const mark = event.target.closest('[data-tip]');
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 16, fits = below + tip.offsetHeight < innerHeight;
  tip.style.left = Math.max(8, left) + 'px';
  tip.style.top = (fits ? below : Math.max(8, event.clientY - tip.offsetHeight - 12)) + 'px';
});
})();
)";
}

}  // namespace corbel
