// To come.

export const view = {
  title: "page.tab.settings",
  open() {
    return { close() {} };
  },
};
