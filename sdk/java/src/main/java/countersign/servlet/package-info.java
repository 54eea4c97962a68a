/** A filter for servlet containers, from Jakarta Servlet 6 on. */
package countersign.servlet;
