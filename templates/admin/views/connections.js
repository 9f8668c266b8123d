// To come.

export const view = {
  title: "page.tab.connections",
  open() {
    return { close() {} };
  },
};
