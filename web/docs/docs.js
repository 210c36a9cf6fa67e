// Shows openapi.json with Swagger UI (Apache-2.0, https://github.com/swagger-api/swagger-ui).
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#page',
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null, // it would send the description to another host
})
