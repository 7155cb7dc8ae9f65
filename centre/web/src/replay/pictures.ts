/** Lets a view draw the replayed state in place of the live one. */

import type { State } from "../state.ts";
import type { Host, Picked, View } from "../views.ts";

/** The view, drawing what `shown` returns; a click on it is looked up in the same state. */
export function pictureOf(view: View, shown: () => State): View {
  return {
    rate: view.rate,
    mount: (host: Host) =>
      view.mount({
        get state() {
          return shown();
        },
        choose: (picked: Picked) => host.choose(picked),
      }),
    draw: (_state, now) => view.draw(shown(), now),
  };
}
