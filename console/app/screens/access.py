from console.app.view import View


class AccessView(View):
    title = "Access"

    def draw(self, w, h):
        return []
