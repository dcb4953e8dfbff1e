// One stop of the Tab key for a set of things; arrow keys move within it.

/** Let arrow keys, Home and End move the focus among the elements of a container that fit `selector`; `columns` tells how many stand in a row. */
export function rove(container, selector, columns = () => 1) {
  container.addEventListener("keydown", (event) => {
    const all = [...container.querySelectorAll(selector)];
    const place = all.indexOf(event.target.closest(selector));
    if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const wide = columns();
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide };
    let next = place;
    if (event.key in steps) next = place + steps[event.key];
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = all.length - 1;
    else return;
    event.preventDefault();
    if (next in all) {
      only(all, all[next]);
      all[next].focus();
    }
  });
  container.addEventListener("focusin", (event) => {
    const found = event.target.closest(selector);
    if (found) only([...container.querySelectorAll(selector)], found);
  });
}

/** Make one of some elements the stop of the Tab key. */
export function only(all, one) {
  for (const each of all) each.tabIndex = each === one ? 0 : -1;
}
