from burnish.service import main
from svc_serve.app import Serve
from svc_serve.config import ServeSettings

if __name__ == "__main__":
    main("serve", ServeSettings, Serve)
