"""The page's one visual style. Colours are the theme's variables, so that light and dark both follow the browser."""

from __future__ import annotations

CSS = """
.gradio-container { padding: 0 !important; }
.gradio-container > .main { max-width: 1280px !important; margin: 0 auto; padding: 14px 24px 32px !important; }
.gradio-container .wrap > .contain { width: 100%; }
.gradio-container .html-container { padding: 0; }
.gradio-container b { font-weight: 600; }
.sl-head { align-items: center !important; flex-wrap: nowrap !important; }
.sl-banner { display: flex; align-items: baseline; gap: 12px; flex-wrap: wrap; padding: 4px 2px; }
.sl-mark { font-size: 22px; font-weight: 600; letter-spacing: -.02em; color: var(--body-text-color); }
.sl-mark::before { content: ""; display: inline-block; width: 11px; height: 11px; margin-right: 9px;
  border: 3px solid var(--color-accent); border-radius: 50%; }
.sl-sub { color: var(--body-text-color-subdued); font-size: 13px; overflow-wrap: anywhere; }
.sl-push { margin-left: auto; color: var(--body-text-color-subdued); font-size: 13px; }
.sl-hint { max-width: 620px; margin: 40px auto; padding: 28px; text-align: center; line-height: 1.6;
  border: 1px dashed var(--border-color-primary); border-radius: 12px; color: var(--body-text-color-subdued); }
.sl-hint h2, .sl-facts h2 { font-size: 20px; font-weight: 600; margin: 0 0 8px; color: var(--body-text-color); }
.sl-hint pre { margin: 12px 0; padding: 10px 14px; border-radius: 8px; overflow-x: auto; text-align: left;
  background: var(--background-fill-secondary); color: var(--body-text-color); }
.sl-trouble { flex-basis: 100%; margin: 6px 0 0; padding: 8px 12px; border-radius: 8px; overflow-wrap: anywhere;
  font-size: 14px; background: var(--error-background-fill); color: var(--error-text-color); }

.sl-runs { display: grid; gap: 14px; }
.sl-run { padding: 16px 18px; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--block-background-fill); color: var(--body-text-color); }
.sl-run > header { display: flex; align-items: center; gap: 6px 12px; flex-wrap: wrap; }
.sl-run button { padding: 6px 14px; border-radius: 8px; font: inherit; font-size: 14px; font-weight: 600;
  cursor: pointer; color: var(--button-primary-text-color); background: var(--button-primary-background-fill); }
.sl-run button:hover { background: var(--button-primary-background-fill-hover); }
.sl-run ul { list-style: none; margin: 12px 0; padding: 0; }
.sl-run li { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 16px; margin: 0; padding: 8px 0;
  border-top: 1px solid var(--border-color-primary); font-size: 14px; }
.sl-run li > b { flex: 1 1 220px; overflow-wrap: anywhere; }
.sl-run li > span:not(.sl-state) { color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.sl-run summary { cursor: pointer; font-size: 14px; color: var(--body-text-color-subdued); }
.sl-run pre { max-height: 340px; overflow: auto; margin: 0; padding: 12px 14px; border-radius: 8px; font-size: 12.5px;
  line-height: 1.5; background: var(--background-fill-secondary); color: var(--body-text-color); }
.sl-state { padding: 2px 10px; border-radius: 99px; font-size: 12px; font-weight: 600;
  color: #92400e; background: #fef3c7; }
.sl-state.finished { color: #065f46; background: #d1fae5; }
.sl-state.failed, .sl-state.damaged { color: #991b1b; background: #fee2e2; }
.sl-state.running { color: #1e40af; background: #dbeafe; }

.gradio-container dl { display: grid; grid-template-columns: minmax(84px, max-content) 1fr; gap: 5px 18px;
  margin: 10px 0; font-size: 14px; color: var(--body-text-color); }
.gradio-container dt { color: var(--body-text-color-subdued); }
.gradio-container dd { margin: 0; overflow-wrap: anywhere; }

.sl-filters .form { display: grid; grid-template-columns: repeat(6, 1fr); }
.sl-filters .form > .block { min-width: 0 !important; }
.sl-pager { align-items: center !important; flex-wrap: nowrap !important; }
.sl-pager .sl-place { flex: 1; }
.sl-pager p { text-align: center; margin: 0; color: var(--body-text-color-subdued); font-size: 14px; }
.sl-gallery { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(182px, 1fr)); }
.sl-card { display: flex; flex-direction: column; gap: 1px; padding: 0 0 10px; overflow: hidden; text-align: left;
  font: inherit; cursor: pointer; border: 1px solid var(--border-color-primary); border-radius: 12px;
  color: var(--body-text-color); background: var(--block-background-fill);
  transition: border-color .12s, box-shadow .12s; }
.sl-card:hover, .sl-card:focus-visible { border-color: var(--color-accent); box-shadow: 0 2px 10px rgb(0 0 0 / .12);
  outline: none; }
.sl-card > span:not(.sl-picture) { padding: 0 12px; }
.sl-picture { display: flex; align-items: center; justify-content: center;
  background: var(--background-fill-secondary); }
.sl-card .sl-picture { height: 148px; margin-bottom: 8px; }
.sl-picture img { height: 100%; width: 100%; margin: 0; object-fit: contain; }
.sl-none { color: var(--body-text-color-subdued); font-size: 13px; }
.sl-name { display: flex; justify-content: space-between; gap: 8px; }
.sl-name b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.sl-name i { font-style: normal; font-variant-numeric: tabular-nums; color: var(--color-accent); font-weight: 600; }

.sl-track { display: grid; gap: 16px; }
.sl-top { display: grid; gap: 22px; grid-template-columns: minmax(220px, 320px) 1fr; align-items: start; }
.sl-top .sl-picture { height: 340px; margin: 0; border-radius: 12px; overflow: hidden; }
.sl-charts { display: grid; gap: 16px; grid-template-columns: 1fr 1fr; align-items: start; }
.sl-charts figure { margin: 0; padding: 14px; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--block-background-fill); }
.sl-charts figcaption { font-size: 13px; margin-bottom: 10px; color: var(--body-text-color-subdued); }
.sl-charts figcaption b { color: var(--body-text-color); font-size: 14px; }
.sl-charts svg { display: block; width: 100%; height: auto; }
.sl-charts polyline { fill: none; stroke: var(--color-accent); stroke-width: 2.5; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.sl-path { border-radius: 8px; background: var(--background-fill-secondary); max-height: 420px; }
.sl-path rect { fill: none; stroke: var(--body-text-color-subdued); stroke-width: 1.5;
  vector-effect: non-scaling-stroke; }
.sl-path rect.first { stroke-dasharray: 5 4; }
.sl-charts circle { fill: var(--color-accent); }
.sl-score line { stroke: var(--border-color-primary); }
.sl-score text { fill: var(--body-text-color-subdued); font-size: 14px; }
.sl-score .unseen { fill: var(--body-text-color-subdued); opacity: .16; }

@media (max-width: 640px) {
  .gradio-container > .main { padding: 8px 12px 24px !important; }
  .sl-filters .form { grid-template-columns: 1fr 1fr; }
  .sl-filters .form > .block { padding: 6px 10px; }
  .sl-gallery { grid-template-columns: 1fr 1fr; gap: 8px; }
  .sl-card .sl-picture { height: 120px; }
  .sl-top, .sl-charts { grid-template-columns: 1fr; }
  .sl-top .sl-picture { height: 260px; }
  .sl-run li > b { flex-basis: 100%; }
  .sl-push { margin-left: 0; }
  .sl-score text { font-size: 17px; }
}
"""

# A click on a card becomes an event with what the card names; keyboards reach the cards because they are buttons.
# What is opened begins at the top.
OPEN_ON_CLICK = """
element.addEventListener('click', event => {
  const card = event.target.closest('[data-track], [data-run]');
  if (!card) return;
  window.scrollTo(0, 0);
  trigger('click', {track: card.dataset.track || '', run: card.dataset.run || ''});
});
"""
