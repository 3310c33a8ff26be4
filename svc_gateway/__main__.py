from burnish.service import main
from svc_gateway.app import Gateway
from svc_gateway.config import GatewaySettings

main("gateway", GatewaySettings, Gateway)
